"""platectl: plate assays from a compound list to Ki and EC50, on real or simulated instruments."""

__version__ = "0.1.0"
