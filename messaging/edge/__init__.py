"""What the service's listeners share: how connections are let in, how often a peer may ask, and
what is recorded of those that are turned away.
"""
