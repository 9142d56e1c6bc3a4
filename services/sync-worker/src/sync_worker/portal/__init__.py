"""Adapters to the portals: everything of HTTP, sessions and cryptography ends here."""
