"""The shared physical truth: plates, liquids, binding, filters, temperature and time."""

from platectl.simkit.world.places import WorldError
from platectl.simkit.world.tips import Tips
from platectl.simkit.world.truth import Truth
from platectl.simkit.world.world import World

__all__ = ["Tips", "Truth", "World", "WorldError"]
