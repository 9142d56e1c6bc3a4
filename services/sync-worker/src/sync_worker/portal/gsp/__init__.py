"""GST portal through a GSP: profiles as data, the pass-through cryptography, sessions, OTP steps."""
