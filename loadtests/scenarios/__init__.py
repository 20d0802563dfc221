"""Closed-loop users, for the `locust` command."""
