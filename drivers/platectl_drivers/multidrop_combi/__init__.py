r"""Thermo Multidrop Combi bulk dispenser over RS-232 or USB serial, 9600 8N1.

Wire: a command and CR; the answer is the echoed code, data lines and `<CODE> END <status>`, each
with CR LF. Actions answer when they are over. Source: pylabrobot pull request 964, tried on an
instrument, which cites table 3-3 of the maker's manual. Maturity: paper.

Responsible for: plate type, cassette, speed, height, volume of each column, one stroke, priming
and abort. Not responsible for: which liquid hangs on the line, whether a plate stands on the nest
(the instrument does not look), shaking and stored protocols.

After a broken conversation the next verb first drains the line and asks VER, so that a late end
of an old command is never taken for the end of a new one. A stroke is never sent twice.

After a death `observe` sends nothing at all, because VER takes remote control. `reconcile` asks
VER, as an earlier owner had: it is answered when nothing runs. Nothing tells whether a stroke that
is over was complete, but for its own late end, heard in the life that sent it.

Unattested: what ends an action that ESC stopped (any end counts as aborted, silence as a time-out);
that PRI counts in 1/10 µL as the set-up commands do; that column volume 0 skips the column
whatever the cassette; the volume limits of the two factory cassettes (the maker's data sheet).
"""

from platectl_drivers.multidrop_combi.codec import (
    fault,
    is_echo,
    parse_end,
    parse_version,
    setup_commands,
    tenths,
    volume_commands,
)
from platectl_drivers.multidrop_combi.driver import MultidropCombi
from platectl_drivers.multidrop_combi.settings import Settings

__all__ = [
    "MultidropCombi",
    "Settings",
    "fault",
    "is_echo",
    "parse_end",
    "parse_version",
    "setup_commands",
    "tenths",
    "volume_commands",
]
