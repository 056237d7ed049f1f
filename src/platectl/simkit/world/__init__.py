"""The shared physical truth: plates, liquids, binding, filters, temperature and time."""

from platectl.simkit.world.truth import Truth
from platectl.simkit.world.world import Tips, World, WorldError

__all__ = ["Tips", "Truth", "World", "WorldError"]
