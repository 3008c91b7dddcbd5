"""How a tenant comes to be: its rows, keys and names, all at once or not at all."""
