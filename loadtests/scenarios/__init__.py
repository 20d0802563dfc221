"""Scenarios for the `locust` command, a User class each (docs/load.md)."""
