"""Rules that every stack of AWS must keep, whatever its settings say. They read what the program registers."""
