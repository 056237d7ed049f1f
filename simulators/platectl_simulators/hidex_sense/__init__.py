"""A simulated Hidex Sense Beta behind the HTTP adapter of an open-source lab.

Source: the adapter's published code (AD-SDL/hidex_module). The layout of the workbook is this
simulator's own: none is public.
"""

from platectl_simulators.hidex_sense.adapter import HidexSenseSimulator

__all__ = ["HidexSenseSimulator"]
