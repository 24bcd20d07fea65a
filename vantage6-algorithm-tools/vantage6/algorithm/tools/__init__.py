"""The tools of algorithms at the places of the 4.x line; see `vantage6.tools`."""
