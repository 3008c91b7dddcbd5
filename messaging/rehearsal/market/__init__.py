"""Replays a day of published market data through a running host. Reads data files, keeps none."""
