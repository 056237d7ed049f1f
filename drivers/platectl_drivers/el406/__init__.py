"""BioTek EL406 plate washer over USB serial, 38400 8N2.

Source: byte layouts of PyLabRobot 0.2.2 (`plate_washing.biotek.el406`), taken from captures of the
maker's program and marked experimental by its authors (shared/instruments-handlers.md 4.1).
Maturity: paper.

A frame is `01 02`, command (u16), `01`, `00 00`, length of the data (u16), checksum (u16), data;
numbers are little-endian; the checksum is the two's complement of the sum of the nine header bytes
before it and all data. The washer answers with ACK (06) or NAK (15), then with a frame of the same
shape whose data begin with a validity word: 0, or the code of an error.

A step is: begin a batch, wait until nothing runs, the step, poll until it is over, home, end the
batch. A step is sent once. After a lost answer its batch stays open until the next step; a step in
doubt is done when it is seen to run and to end, or when the state has gone from initial to stopped
in the life that sent it.

Responsible for: aspirating, dispensing, washing, priming and vacuum filtration of whole plates. Not
responsible for: which liquid hangs on a buffer line, nor where the well bottom is (`bottom_z`: the
height of the tubes, in 0.1 mm, at which they touch it; the maker's 29 for cells is 0.3 mm above 26).

Unattested: what the seven queries before a batch answer (their values are not used); the unit of the
heights (0.1 mm by the makers of the client); bytes that the layouts leave open (sent as zero); that answers other
than that to a status poll begin with a validity word (queries are known to have a prefix of two bytes). Flows 1 and 2,
which need a vacuum delay volume, are not offered.
"""

from platectl_drivers.el406.driver import EL406
from platectl_drivers.el406.settings import Settings

__all__ = ["EL406", "Settings"]
