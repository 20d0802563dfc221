"""Which suites there are, what each proves and costs, and the command that runs them: `python -m tests.suites`."""
