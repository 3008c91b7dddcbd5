"""The REST API's own JSON: typed messages written out and read back strictly. No endpoint speaks
it, so it is no entry of the registry; requests and views are the API's.
"""
