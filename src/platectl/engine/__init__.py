"""Runs a compiled run: ledger first, then the wire."""
