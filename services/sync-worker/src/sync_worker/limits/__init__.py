"""How often a portal may be asked, shared by all workers."""
