"""Schedules: buckets that start by themselves, and what was not available fetched again."""
