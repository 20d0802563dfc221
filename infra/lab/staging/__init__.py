"""`make staging`: from nothing to a stack in a cluster that load tests, drills and people can use."""
