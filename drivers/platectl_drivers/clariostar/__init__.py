"""BMG CLARIOstar Plus (firmware 1.35) over its FTDI port, 125 000 baud, 8N1.

Source: two independent decodings of the maker's traffic with 6 780 captured frames (BioCam/pylabrobot
fork, MIT; hoxbio/bmg-clariostar, facts only), collected in shared/instruments-readers.md 2. Maturity:
paper.

A frame is `02`, its size (u16, big-endian), `0C`, payload, sum of all bytes before (u24), `0D`. `0D`
occurs inside, so a frame ends by its size. Healthy readers send truncated frames, stay silent for two
seconds after RUN, and answer a request for data with a status that says why not (`D5` none yet, `66`
finishing): such a request is a query and is made again. RUN is sent once.

A kinetic read is one RUN with two chromatics (340/510, 380/510) and cycles. While it goes, the
current record is asked for again and again; a record that is whole becomes two frames. The cycle must
leave two seconds after the last well, so that no record is overwritten before it was seen.

Responsible for: kinetics of two chromatics from the bottom, drawer, temperature. Not responsible for:
additions; injector and pump commands are not decoded in public, so this reader says it cannot add.

Decisions: a well's time is the start of its record, as the reader states it in whole seconds, and the
well's place in the scan times `well_s`; both chromatics of a well are read together, the second
`chromatic_s` later. Zero at a position that is not read yet is no value.

Unattested: record number and start time of the record (derived from traces), that `total values`
counts both chromatics, kinetics with more than one chromatic, and how long a well takes (`well_s`).
"""

from platectl_drivers.clariostar.driver import Clariostar, Settings

__all__ = ["Clariostar", "Settings"]
