"""Counts as delimited lines: TopCount, MicroBeta, Tri-Carb and others whose layout a lab declares.

Wire: none, or one that only the counter speaks on. Either the counter's software drops a file, or an older
Tri-Carb pushes a line for each sample over RS-232 (9600 baud, 7 data bits, even parity, 1 stop bit, CR LF). Source:
readers 5.4 and 5.5: that labs had TopCount write bar-code, well and CPM in each line; that a Tri-Carb writes the
items that its protocol prints; that MicroBeta exports text. No verbatim file of any of them is public, so no layout
is built in: the lab file declares separator, header, columns, units and the form of wells, and whatever
differs from that is refused with file and line. Maturity: paper.

Responsible for finding the file of a title, waiting until it has stopped growing, and strict reading. Not
responsible for starting the counter, which a person does, nor for stopping it.

Decisions: where no column gives counts, they are the rate times the counting time; where no column gives a time,
it is the one that was asked for. Lines that come over a wire state no plate unless a column does; then the wells
must come in the order asked for, from the first one on, so that the rest of an earlier plate is never taken.
"""

from platectl_drivers.delimited_counts.driver import DelimitedCounts
from platectl_drivers.delimited_counts.layout import Settings, parse_lines

__all__ = ["DelimitedCounts", "Settings", "parse_lines"]
