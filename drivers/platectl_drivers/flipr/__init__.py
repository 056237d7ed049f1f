r"""Molecular Devices FLIPR Tetra by the remote protocol of ScreenWorks, over TCP.

Wire: ASCII; a command is its name, a tab and its parameters with `, ` between them, ended by `\r`;
answers are `ok`, `cNN, text`, or a status of tab-separated pairs of key and value, ended by `\r`.
Source: FLIPR Tetra user guide 0112-0109 H, the pages that are public (shared/instruments-readers.md
4.1). Maturity: paper.

Responsible for: taking plates and tips in, opening the protocol that fits, starting it once,
following it and reading the export. Not responsible for: what the protocol contains. That cannot be
set over the wire, so the lab file declares every protocol (`protocols`), and a read that no
protocol fits exactly is refused.

`runexperiment` is sent at most once. After a lost answer the driver asks for the status and says
what is known; it never sends the command again. A status is asked for again, over a fresh
connection, because that moves nothing.

Unattested: the TCP port (it must stand in the address); how the status spells remote, online and
the plates; the meaning of the flag of `loadplate` (`no`, as in the documented example); whether
`loadplate` answers before or after the movement (both are waited for); how long after `ok` the
first frame is taken (taken as 0); the layout of what ScreenWorks exports: `export_file` defines one
that an export template has to produce. The stage's temperature has no public command.
"""

from platectl_drivers.flipr.driver import Flipr
from platectl_drivers.flipr.export_file import TimeSequence, parse_time_sequence
from platectl_drivers.flipr.settings import FmpProtocol, Settings
from platectl_drivers.flipr.traces import read_traces
from platectl_drivers.flipr.wire import Status, parse_status

__all__ = [
    "Flipr",
    "FmpProtocol",
    "Settings",
    "Status",
    "TimeSequence",
    "parse_status",
    "parse_time_sequence",
    "read_traces",
]
