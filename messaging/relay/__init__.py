"""The relay's decisions: take what came, say where it goes, claim it, settle it. Bytes travel
elsewhere.

Every function here may run twice and at once: rows are claimed by conditional updates, references
are unique in the database, and whatever is acknowledged to a peer was committed before.
"""
