"""The Single Markets Platform API as pure code: its profile, the mapping of names for each
environment, requests and answers, and the files that tenants upload.
"""
