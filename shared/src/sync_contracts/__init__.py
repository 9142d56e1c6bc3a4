"""The language the services speak: messages, topics, documents, units and pages. Pure; msgspec and the standard library only."""
