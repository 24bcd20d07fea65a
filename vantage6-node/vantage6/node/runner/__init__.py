"""How containers are run: a narrow interface, one implementation for Docker, one for tests."""
