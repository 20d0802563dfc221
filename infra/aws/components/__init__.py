"""The parts of a stack of AWS. Each takes what it needs and no more, so that another program can use it alone."""
