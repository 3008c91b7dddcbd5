"""The Wider Access API: payloads by a profile, and what an exchange over HTTPS comes to; nothing is
sent from here.
"""
