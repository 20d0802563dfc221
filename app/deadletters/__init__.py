"""The dead letters: archived with their reason before anyone looks, listed from PostgreSQL, replayed once."""
