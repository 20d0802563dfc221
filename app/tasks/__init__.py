"""The tasks, and what every task does: wait out a dependency, retry with growing delays, record its failures."""
