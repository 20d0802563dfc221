"""Pulumi programs on the real engine, with providers that stand in for the plugins."""
