"""Strict checks of what the host sends, one module a message; they judge the content of a payload
whose signature held."""
