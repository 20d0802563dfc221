"""SQS: a transport for Celery that outlives whatever SQS answers, and what relay, archiver and workers do there."""
