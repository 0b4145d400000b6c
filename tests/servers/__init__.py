"""Real servers that tests start for themselves: each on a free port of the loopback address, with its own folder."""
