"""Handlers of the modules: one pure function per portal action, from the call to its answer."""
