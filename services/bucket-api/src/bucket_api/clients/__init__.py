"""The client master: identifiers, import from a file, storage."""
