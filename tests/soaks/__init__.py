"""Long runs for a page of the documentation: commands, which no suite runs."""
