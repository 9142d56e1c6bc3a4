"""How often a portal may be asked, shared by all workers, and when it is left alone."""
