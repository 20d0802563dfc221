"""PostgreSQL: tables and migrations, connections, the outbox, the effects, and what a job's state is derived from."""
