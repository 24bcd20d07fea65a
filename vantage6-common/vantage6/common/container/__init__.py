"""Servers and nodes in containers: what `vserver` and `vnode` do with the engine."""
