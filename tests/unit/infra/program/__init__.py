"""The program as a whole, rendered: what runs, what may talk, what is kept."""
