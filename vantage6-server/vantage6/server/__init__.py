"""The central server of a vantage6 federation."""
