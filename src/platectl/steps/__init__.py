"""Step kinds: one module each, with parameters, effect class, duration, volumes and execution."""
