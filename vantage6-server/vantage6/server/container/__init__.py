"""The server in a container: what `vserver` does with the engine."""
