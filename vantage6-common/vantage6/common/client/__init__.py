"""What talks to the server, for everybody who does."""
