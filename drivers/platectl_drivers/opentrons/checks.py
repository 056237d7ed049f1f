"""Whether the robot that answers is the one that the lab file describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from platectl.domain.errors import InstrumentFaultError, RefusedError
from platectl.hal.checks import check_within
from platectl.hal.liquids import PipettingLimits
from platectl_drivers.opentrons import wire
from platectl_drivers.opentrons.settings import Settings


def check_robot(health: Mapping[str, Any], settings: Settings) -> str:
    """Return the robot's model.

    Raises:
        InstrumentFaultError: `wrong_robot`.
    """
    model = str(health.get("robot_model", ""))
    if ("OT-2" in model) != (settings.robot_type == "ot2"):
        raise InstrumentFaultError(
            f"the robot is a {model!r}, the lab file says {settings.robot_type}",
            code="wrong_robot",
        )
    return model


def check_pipette(instruments: Any, settings: Settings) -> None:
    """Compare what hangs on the mount with what the lab file says.

    Raises:
        InstrumentFaultError: `wrong_pipette`.
        MalformedReplyError: Not a list of instruments.
    """
    listed = wire.decode_list(instruments)
    there = next((i for i in listed if i.get("mount") == settings.mount), dict[str, Any]())
    name = there.get("instrumentName", "nothing")
    if name != settings.pipette_name:
        raise InstrumentFaultError(
            f"the {settings.mount} mount carries {name}, the lab file says {settings.pipette_name}",
            code="wrong_pipette",
        )
    if there.get("ok") is False:
        raise InstrumentFaultError(
            f"the pipette on the {settings.mount} mount is not ready (firmware or calibration)",
            code="wrong_pipette",
        )


def check_stroke(
    limits: PipettingLimits, volume_ul: float, flow_ul_per_s: float, height_mm: float
) -> None:
    """See that a stroke is one that the pipette can do.

    Raises:
        RefusedError: Volume outside the limits, no flow or a height below the bottom.
    """
    check_within(volume_ul, (limits.min_volume_ul, limits.max_volume_ul), "pipette", "uL")
    if not flow_ul_per_s > 0 or not height_mm >= 0:
        raise RefusedError(
            f"flow {flow_ul_per_s:g} uL/s and height {height_mm:g} mm must be positive"
        )
