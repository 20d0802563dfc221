"""What runs Millrace: images, server settings, the local stack, alerts."""
