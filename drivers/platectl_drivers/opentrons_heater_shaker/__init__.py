r"""Opentrons Heater-Shaker Module over USB serial, 115200 8N1.

Wire: a G-code, a blank and LF; the answer is `<code>[ fields] OK` or `ERRnnn:text`, with LF, in some firmwares
with ` OK` behind the text. `async ERRnnn:text` may come at any time. Source: the maker's firmware
(Opentrons/opentrons-modules, heater-shaker) and driver (`opentrons` 10.1.0). Maturity: paper.

Responsible for: latch, speed and heater of one plate. Not responsible for: which plate stands there, nor for
opening the latch before the first one is brought (`connect` refuses to begin with a latch that is not open).

The latch moves before its command is answered, and `G28` is answered when the nest stands at home; `M3` is
answered at once and the speed is polled. The latch closes only on a nest that stands, opens only on one at home,
and the nest turns only while it is closed. A nest that is to shake is looked at every ten seconds, so that one that
stops by itself is noticed. Answers name their command; after a broken conversation the module is asked who it
is, and what comes before that answer is passed over. Fault lines that nobody asked for wait for the next verb.

An abort goes home (`G28`), which stops the nest where the plate can be taken. What still turns after a death is not
stopped by looking: `reconcile` says `not_done` with `remembered`, and `shake` under the same `ACTION_ID` waits for
the rest of the time only, goes home and opens the latch.
"""

from platectl_drivers.opentrons_heater_shaker.codec import (
    Latch,
    Speed,
    Warmth,
    parse_error,
    parse_identity,
    parse_latch,
    parse_speed,
    parse_warmth,
)
from platectl_drivers.opentrons_heater_shaker.driver import HeaterShaker, Settings

__all__ = [
    "HeaterShaker",
    "Latch",
    "Settings",
    "Speed",
    "Warmth",
    "parse_error",
    "parse_identity",
    "parse_latch",
    "parse_speed",
    "parse_warmth",
]
