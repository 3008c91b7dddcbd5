"""`make bench`: the relay's times against a bound measured in the same run. Pytest collects nothing
here.
"""
