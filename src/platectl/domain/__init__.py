"""Ground floor: values and rules; no input or output."""
