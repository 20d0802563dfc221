"""What a stack of AWS may say. What AWS would refuse, or would accept and break, is refused before a change."""
