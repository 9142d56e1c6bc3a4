"""Stands in for the GSP and the portals."""
