"""Registrations on the Single Markets Platform in the tenant's API."""
