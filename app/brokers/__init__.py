"""How messages travel: Celery's settings for RabbitMQ, the declared topology, and sending inside a transaction."""
