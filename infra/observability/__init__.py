"""What is watched, and when somebody is told."""
