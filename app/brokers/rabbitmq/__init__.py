"""RabbitMQ, the default: AMQP without Celery for relay, archiver and beat, and Celery's options for workers."""
