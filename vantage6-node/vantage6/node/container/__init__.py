"""The node in a container: what `vnode` does with the engine."""
