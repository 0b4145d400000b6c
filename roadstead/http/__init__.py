"""Who asks: the doors and the server that they stand on."""
