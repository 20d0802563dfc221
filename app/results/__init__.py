"""Results: where tasks leave what they return for those who ask, and how a chord counts its parts and ends once."""
