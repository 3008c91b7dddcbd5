"""Wiring of the project: settings, start-up, local servers; what it does lives elsewhere."""
