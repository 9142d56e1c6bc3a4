"""Accepts sync buckets, shows them, dispatches their units."""
