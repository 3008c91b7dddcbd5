"""Registrations on the Single Markets Platform: from an uploaded file to what is registered."""
