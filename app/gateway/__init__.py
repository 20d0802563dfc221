"""The HTTP side: validates, authenticates, limits, and writes job and outbox row in one statement."""
