"""Agilent BioTek Synergy H1 and Cytation plate readers over their USB serial line.

Wire: FTDI, 9600 baud (some units 38 461), 8 data bits, no parity, 2 stop bits, RTS/CTS; one letter is one
command, and a command with a parameter is acknowledged before the parameter is sent. Source: PyLabRobot's
BioTek backend and its tests, whose bytes were recorded from a Cytation 5 (readers 3); the checksums of read
definitions and data were derived from all of those bytes. Maturity: paper.

Responsible for endpoint reads of absorbance, fluorescence and luminescence from above, for kinetics that the
host clocks read by read, for carrier and temperature. Not responsible for injectors, bottom optics, filters,
monochromator bandwidth, gain, or several wavelengths in one definition: none of these is public on this wire,
and what asks for them is refused.

Decisions: a status other than 0000 is a refusal with that code. Stale bytes are dropped before each command.
After a broken exchange the next verb that acts sends the abort letter, waits for silence and asks who is there.
A value of asterisks is `missing`, since nobody attests what it stands for.
"""

from platectl_drivers.biotek.driver import BioTek
from platectl_drivers.biotek.settings import Settings

__all__ = ["BioTek", "Settings"]
