"""Alert rules, and how Prometheus finds the processes that they speak of."""
