"""Folds events into pages; the only writer of pages."""
