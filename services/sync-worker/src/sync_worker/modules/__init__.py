"""What is fetched for a unit, module by module, against the portal's port."""
