"""A system operator to rehearse against, written apart from the host it is a peer of."""
