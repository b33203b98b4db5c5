"""A hook call in, a decision out: pure, without Flask, sockets, settings, clock or random ids of its own."""
