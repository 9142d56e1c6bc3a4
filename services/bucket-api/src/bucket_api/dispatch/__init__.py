"""The dispatcher: takes due units from pages, fairly across tenants, and publishes them. Pages are the queue."""
