"""Files that the servers read: definitions, users, access lists, settings. Pure functions of contract and passwords."""
