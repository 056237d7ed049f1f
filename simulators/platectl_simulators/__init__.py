"""Simulators: the same bytes from the instrument's side of the wire, on one shared world."""
