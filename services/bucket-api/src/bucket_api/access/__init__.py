"""A client's access to the portal: its user name, its session, its OTP requests."""
