"""The tenant's REST API over what was carried: messages, deliveries, instructions, and each
message's timeline of hops.
"""
