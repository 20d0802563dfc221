"""Beat: sends the tasks that have a schedule, each slot once, through the outbox."""
