"""A cluster that runs: what a person reads of it and does to it after `pulumi up`."""
