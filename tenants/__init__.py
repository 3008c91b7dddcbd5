"""Who the host acts for, and the wall between them: tenants, certificates, keys, and each tenant's
audit chain.
"""
