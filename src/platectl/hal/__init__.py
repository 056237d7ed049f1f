"""What instruments promise: interfaces and capability data only."""
