"""Driver of Tecan Cavro XCalibur syringe pumps."""

from platectl_drivers.cavro.driver import CavroXCalibur

__all__ = ["CavroXCalibur"]
