"""What each peer's documentation tells a user to write: a FastAPI endpoint and a task that inserts one row."""
