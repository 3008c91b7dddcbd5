"""The EDL gateway: holds control points' links. Sockets and timing here; numbers in the session,
decisions in the relay.
"""
