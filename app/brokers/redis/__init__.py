"""Redis as a broker: lists, and beside each what is held, delayed or dead."""
