"""Drivers: one module per instrument family; each speaks the bytes of the maker's instrument."""
