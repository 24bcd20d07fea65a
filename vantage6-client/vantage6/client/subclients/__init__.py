"""The sub-clients, one kind of thing a file."""
