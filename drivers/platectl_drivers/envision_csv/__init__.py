"""PerkinElmer EnVision and Revvity EnSight (Kaleido), by the CSV files that their software exports.

Wire: none; a file in a shared folder. Source: public exports of EnVision Workstation 1.13 and 1.14 and of Kaleido
3.0 and 3.5, published with allotropy (readers 5.6), from which the formats were read. Maturity: paper; the formats
are captured, no reader has been run with this driver.

Responsible for finding the file by its bar-code, its name or its title, waiting until it is whole and has stopped
growing, and strict reading of one matrix of raw results. Not responsible for starting the reader, which a person
does, nor for calculated results (crosstalk, ratios): they are passed over.

Decisions: which table is meant follows from what was asked for (a luminescence is in CPS, an absorbance in A or OD,
a fluorescence in Counts or RFU); if a plate has several such tables, the lab file names the label, and otherwise
the file is refused. Kaleido writes no unit: its luminescence is counts per second, since all values of both public
files are multiples of one over the measurement time. EnVision states the bar-code as an Excel formula. Local
times stay without a zone.

Unattested: whether CPS are corrected for dead time or afterglow; what stands for an overflow (anything that is no
number is refused); partial plates of Kaleido.
"""

from platectl_drivers.envision_csv.driver import EnvisionCsv, Settings, parse_counts
from platectl_drivers.envision_csv.tables import parse_export

__all__ = ["EnvisionCsv", "Settings", "parse_counts", "parse_export"]
