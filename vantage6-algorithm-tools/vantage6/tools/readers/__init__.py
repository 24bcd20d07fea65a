"""Readers of databases, one kind a file; each imports its library when it is called."""
