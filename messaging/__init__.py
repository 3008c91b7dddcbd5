"""Relaying: what BM messages are, how they are written, and how each reaches its destination."""
