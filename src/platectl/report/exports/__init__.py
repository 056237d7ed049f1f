"""A run in the formats of other programs, and back to equal values."""
