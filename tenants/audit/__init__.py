"""The audit log: one hash chain per tenant over every hop of every message and every change of keys
and settings.
"""
