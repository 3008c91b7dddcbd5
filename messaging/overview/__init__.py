"""What the vendor's admin works out for its pages: what is wrong now, how long each hop takes, the
way of one message, and what stored bytes say. It only reads, as the staff role.
"""
