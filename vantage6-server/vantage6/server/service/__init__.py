"""The rules of the server: what spans more than one model, or has side effects."""
