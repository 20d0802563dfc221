"""What every process says about itself: JSON logs, the ids that tie a request to its tasks, metrics."""
