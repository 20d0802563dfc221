"""Starts the images of compose.yaml for a test, breaks them, and accounts for what was sent."""
