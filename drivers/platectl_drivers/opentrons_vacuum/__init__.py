r"""Opentrons Vacuum Module (filtration with pressure feedback) over USB serial, 115200 8N1.

Wire: a G-code, a space and LF; the answer is `<code>[ fields] OK` or `ERRnnn:text OK`, with LF.
Source: the vendor's driver in `opentrons` 10.1.0 for the commands, that of the Heater-Shaker for
the line format. Maturity: paper.

Responsible for: drawing down to a gauge pressure, watching it, switching off and venting. Not
responsible for: which plate stands on the module, nor for emptying the waste bottle.

`async ERRnnn:text OK` comes once, at any time, before or between answers. So nothing is ever
flushed: each such line is kept until a verb can raise it. `stop_vacuum` switches off and vents
before it raises anything. Answers are matched to what was asked in order; after a lost answer the
module is asked for its identity, which tells late answers from new ones.

A vacuum in doubt is read back (M121); to switch it on or off again is harmless.

Unattested: that the module vents within `vent_s`; that M120 S1 without D holds until it is
switched off; whether ERR400 comes as an answer or as an
async line (both are taken).
"""

from platectl_drivers.opentrons_vacuum.codec import (
    PumpState,
    parse_answer,
    parse_error,
    parse_identity,
    parse_state,
)
from platectl_drivers.opentrons_vacuum.driver import OpentronsVacuum, Settings

__all__ = [
    "OpentronsVacuum",
    "PumpState",
    "Settings",
    "parse_answer",
    "parse_error",
    "parse_identity",
    "parse_state",
]
