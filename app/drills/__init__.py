"""Tasks that misbehave on purpose, and the commands that send and mend them; never in prod."""
