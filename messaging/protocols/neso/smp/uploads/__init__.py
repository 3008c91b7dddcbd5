"""Files of assets as tenants upload them, read row by row in bounded memory. What a row must be is
the rules'.
"""
