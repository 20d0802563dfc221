"""The package whose tasks other services send."""
