"""What instruments promise: interfaces, capability data, and what is refused against them."""
