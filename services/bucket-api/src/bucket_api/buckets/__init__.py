"""Buckets: planning, admission, creation, cancelling, and what is told of them."""
