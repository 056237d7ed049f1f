"""Before a night: is everything there that it needs; nothing starts until it is, or is overridden."""

from platectl.app.preflight.model import (
    Check,
    Override,
    Preflight,
    against_stock,
    records,
    refuse_unless_held,
)
from platectl.app.preflight.perform import perform
from platectl.app.preflight.surroundings import Surroundings, surroundings_of

__all__ = [
    "Check",
    "Override",
    "Preflight",
    "Surroundings",
    "against_stock",
    "perform",
    "records",
    "refuse_unless_held",
    "surroundings_of",
]
