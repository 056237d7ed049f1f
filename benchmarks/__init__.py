"""Measurements; each module is one command that can print one JSON line."""
