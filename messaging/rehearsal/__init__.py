"""Players for demonstrations, tests and replays: what a tenant's own side would be, speaking to the
host from outside.
"""
