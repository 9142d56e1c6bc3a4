"""The HTTP edge: routes, schemas, who may call, limits and problems."""
