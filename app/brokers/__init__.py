"""How messages travel: the broker behind one interface, Celery's settings, and sending inside a transaction."""
