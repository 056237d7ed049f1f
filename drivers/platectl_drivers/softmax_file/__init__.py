"""FlexStation 3 by the text files that SoftMax Pro exports; a person starts the read.

Wire: none; a text file in a shared folder. Source: plate export formats of the SoftMax Pro user
guide, limits of the Flex read from the same guide, shapes of public export files
(shared/instruments-readers.md 1.8 and 1.10). Maturity: paper; no reader was run with this driver.

Responsible for: finding the file by the name of its plate section, waiting until it is whole and
has stopped growing, strict reading, and putting times on the host's clock. Not responsible for:
starting, stopping, the drawer and the temperature, which a person sees to.

Times. The reader takes one column after another: it reads the column over time, adds, reads on.
The export states one time for each point of a whole plate section, in whole seconds, counted from
the first point of the column's own read; it does not state when a column began, that the
wavelengths of a point are read one after the other, nor when anything was added. So

- the time of a point within its column is the point's number times the interval of the header,
  or what the file states where that is more than a second off;
- a later channel of the same point comes `channel_s` after the one before;
- a column begins the length of a column's read and `column_overhead_s` after the one before it,
  in the order of `KineticRead.columns`;
- the last reading of the last column is taken to be when the file was first seen, so that all
  times of a plate share an uncertainty of one look at the folder and the time of the export;
- the addition is `transfer_lag_s` after the end of the baseline; its source says that.

With `sections: column` the SoftMax document has one plate section for each column, named by the
title, a blank and the column; the sections' own times are used in the same way.

Unattested: what the header says of a Flex read, whether fractions of a second are ever stated,
the text of a saturated well, and the pipettor's own times.
"""

from platectl_drivers.softmax_file.driver import Settings, SoftmaxFile
from platectl_drivers.softmax_file.export_file import PlateSection, SoftmaxExport, parse_export
from platectl_drivers.softmax_file.traces import read_traces

__all__ = [
    "PlateSection",
    "Settings",
    "SoftmaxExport",
    "SoftmaxFile",
    "parse_export",
    "read_traces",
]
