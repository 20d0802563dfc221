"""Programs as each peer's documentation has them: a FastAPI endpoint and a task that inserts one row."""
