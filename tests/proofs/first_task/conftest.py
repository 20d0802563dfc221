"""What a new user does: pages of the documentation run as they stand, in a copy of the tree."""
