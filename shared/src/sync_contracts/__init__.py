"""The language the services speak: messages, topics, documents, units, pages. Pure: msgspec, standard library."""
