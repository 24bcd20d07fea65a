"""The process that serves the API and the sockets; see `vantage6.server.serve`."""
