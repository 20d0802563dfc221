"""Settings of a stack: one frozen model. What is wrong is refused with the path, the value and the way out."""
