"""Stand-ins for the internet, for machines that have none: a user deploys none of it."""
