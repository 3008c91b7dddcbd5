"""The whole service on one machine under one supervisor, with its own PostgreSQL and Redis: `make
run` and `make demo`.
"""
