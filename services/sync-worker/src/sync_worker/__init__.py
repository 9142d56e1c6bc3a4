"""Runs units against the portals and stores what they return."""
