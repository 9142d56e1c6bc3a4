"""Process plumbing of the services; only composition roots import it."""
