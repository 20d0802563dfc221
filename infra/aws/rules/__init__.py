"""What every stack of AWS must keep, whatever its settings say. Asked of what the program registers."""
