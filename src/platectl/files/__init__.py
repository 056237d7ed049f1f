"""Operators' files: YAML and CSV with line numbers, turned into domain objects or findings."""
