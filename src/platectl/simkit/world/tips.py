"""Tips: their bias, their faults and what they hold, on a head and in a rack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from platectl.simkit.world.matter import Array, Components
from platectl.simkit.world.places import WorldError


@dataclass(slots=True)
class Tips:
    """A set of tips, one for each channel.

    `nominal_ul` is what the robot believes to have drawn; `volume_ul` what is really in.
    `z_bias` is the bias of each tip in units of its spread; it stays for the life of the tip.
    """

    instrument: str
    rack: str
    wells: tuple[str, ...]
    z_bias: Array
    blocked: npt.NDArray[np.bool_]
    volume_ul: Array
    amounts: Array
    nominal_ul: float = 0.0


@dataclass(slots=True)
class _Tip:
    z_bias: float
    blocked: bool
    volume_ul: float = 0.0
    amounts: Array | None = None


class Rack:
    """Tips that stand in a rack, some of them used before."""

    def __init__(self, wells: Sequence[str], z_bias: Array) -> None:
        self._tips = {w: _Tip(float(z), blocked=False) for w, z in zip(wells, z_bias, strict=True)}

    def take(
        self, instrument: str, rack: str, wells: Sequence[str], components: Components
    ) -> Tips:
        """Press a head onto tips.

        Raises:
            WorldError: no_tips; then all tips are left where they are.
        """
        if missing := [well for well in wells if well not in self._tips]:
            raise WorldError("no_tips", f"{rack} has no tip at {missing[0]}")
        taken = [self._tips.pop(well) for well in wells]
        amounts = np.zeros((components.capacity, len(taken)))
        for channel, tip in enumerate(taken):
            if tip.amounts is not None:
                amounts[: len(tip.amounts), channel] = tip.amounts
        return Tips(
            instrument=instrument,
            rack=rack,
            wells=tuple(wells),
            z_bias=np.array([tip.z_bias for tip in taken]),
            blocked=np.array([tip.blocked for tip in taken], dtype=np.bool_),
            volume_ul=np.array([tip.volume_ul for tip in taken]),
            amounts=amounts,
        )

    def put_back(self, tips: Tips, wells: Sequence[str]) -> None:
        """Push tips off into free places, with their bias, their faults and what is left in them.

        Raises:
            WorldError: collision when a place is taken.
        """
        if taken := [well for well in wells if well in self._tips]:
            raise WorldError("collision", f"there is a tip at {taken[0]} already")
        for channel, well in enumerate(wells):
            self._tips[well] = _Tip(
                float(tips.z_bias[channel]),
                bool(tips.blocked[channel]),
                float(tips.volume_ul[channel]),
                tips.amounts[:, channel].copy(),
            )
