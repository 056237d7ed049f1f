"""BMG CLARIOstar Plus (firmware 1.35) over its FTDI port, 125 000 baud, 8N1.

Source: two independent decodings of the maker's traffic with 6 780 captured frames (BioCam/pylabrobot
fork, MIT; hoxbio/bmg-clariostar, facts only), collected in shared/instruments-readers.md 2. Maturity:
paper.

A frame is `02`, its size (u16, big-endian), `0C`, payload, sum of all bytes before (u24), `0D`. `0D`
occurs inside, so a frame ends by its size. Healthy readers send truncated frames, stay silent for two
seconds after RUN, and answer a request for data with a status that says why not (`D5` none yet, `66`
finishing): such a request is a query and is made again. RUN is sent once, and never again.

A kinetic read is one RUN with all chromatics (340/510, 380/510) and all cycles; the reader keeps the
cadence. Why cycles and not single runs: a run takes about six seconds of its own, and captures show
that the current record, with its number, can be asked for while it fills. It is asked for again and
again, and a record that is whole becomes one frame for each chromatic. The last record was never
captured whole in this way: the reader answers `66`, and gives it after the run as unread data.

What is lost is not invented: a record that the next one overwrites before it was seen whole keeps
what was seen, and the rest of its wells is flagged missing. Zero at a position that is not read yet
is no value. A value at the limit that the record itself states is kept and flagged saturated.

Times: the scan goes down the columns, one way, and the order is therefore known; every request for
the current record tells how many wells are done. A straight line through these observations gives
each well its own time. `well_s` serves planning, and records that were seen too rarely for a line.

Responsible for: kinetics in up to five chromatics, drawer, temperature. Not responsible for:
additions; injector and pump commands are not decoded in public, so this reader says it cannot add.
"""

from platectl_drivers.clariostar.driver import Clariostar
from platectl_drivers.clariostar.settings import Settings

__all__ = ["Clariostar", "Settings"]
