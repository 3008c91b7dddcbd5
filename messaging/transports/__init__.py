"""How bytes travel: effects, and nothing of what they mean. A transport is given all it needs and
decides nothing.
"""
