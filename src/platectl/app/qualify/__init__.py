"""Hardware tests that a lab makes on its own instruments, step by step, with a yes before each."""

from platectl.app.qualify.bench import Console
from platectl.app.qualify.model import Terms
from platectl.app.qualify.perform import PROGRAMMES, qualify

__all__ = ["PROGRAMMES", "Console", "Terms", "qualify"]
