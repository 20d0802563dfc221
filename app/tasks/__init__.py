"""The tasks, a file each; nothing else names them (docs/tasks.md)."""
