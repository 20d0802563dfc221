"""Tasks that tests pause and revoke."""
