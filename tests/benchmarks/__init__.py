"""`make bench`: the relay's times against a bound measured in the same run. Nothing here is collected
by pytest.
"""
