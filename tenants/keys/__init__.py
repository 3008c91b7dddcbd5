"""The life of a tenant's certificates and keys: how they come in, take over from one another, and
end. Look-ups of what is in use are in `tenants.certificates`.
"""
