"""What tasks share over the whole fleet: rate limits, calls that happen once, warm caches (docs/patterns)."""
