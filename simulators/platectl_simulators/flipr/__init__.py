"""A simulated FLIPR Tetra with ScreenWorks in Remote mode."""

from platectl_simulators.flipr.server import FliprSimulator

__all__ = ["FliprSimulator"]
