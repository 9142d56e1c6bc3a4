"""One command becomes exactly one event."""
