"""Tasks in steps for tests."""
