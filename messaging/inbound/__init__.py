"""Where the system operator calls: an ASGI application and its server, which demands client
certificates.
"""
