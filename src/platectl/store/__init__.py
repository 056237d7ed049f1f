"""The ledger of a run and the index of all runs."""
