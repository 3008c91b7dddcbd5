"""What the messages of the Balancing Mechanism mean: pure values and rules; no bytes, no database,
no clock.
"""
