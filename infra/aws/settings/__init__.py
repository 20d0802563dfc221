"""Settings of a stack of AWS. What AWS would refuse, or would accept and break, is refused before a change."""
