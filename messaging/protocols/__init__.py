"""Every protocol the host speaks, each a folder of pure code between bytes and typed messages."""
