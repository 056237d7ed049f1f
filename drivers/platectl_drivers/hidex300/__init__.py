"""Hidex 300 SL scintillation counter, by the export files that its software drops.

Wire: none; a growing text file in a shared folder. Source: 22 whole files of a metrology
laboratory (published with metpyrad), from which the format and its exact relations were derived.
Maturity: paper; the format is captured, no counter has been run with this driver.

Responsible for: finding the file by its title line, waiting until it is whole and has stopped
growing, strict reading, and checking what the format guarantees. Results come from the scalar
lines only; spectra serve as a check, because the counter freezes them from the 19th repetition
on. Not responsible for: starting the counter, which a person does, nor for stopping it.

Decisions: `Start Time` is ignored (it contradicts the end times by hours in real files).
`EndTime` is local and stays without a zone. A file whose line ends are CR LF throughout is
accepted, because a copy through Windows tools changes nothing else; mixed line ends are refused.
A DPM is absent where TDCR is 0.

Unattested: files from microplates (the captured ones are from vials), other channel limits than
1-1023 or other types than Beta (refused), and what the counter writes when a photomultiplier is
dead.
"""

from platectl_drivers.hidex300.driver import Hidex300, Settings
from platectl_drivers.hidex300.export_file import parse_file

__all__ = ["Hidex300", "Settings", "parse_file"]
