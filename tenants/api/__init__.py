"""The tenant's REST API: the door every request comes through, and what is the tenant's own
register and audit log.
"""
