"""Lines to portals as users see them and operators steer them."""
