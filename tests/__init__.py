"""Tests: what is pure runs alone; the rest on real PostgreSQL, Redis, sockets and TLS."""
