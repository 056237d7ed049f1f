"""What the lab file says of a FLIPR, and which of its protocols fits a read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from platectl.domain.errors import RefusedError
from platectl.hal.reading import Channel, InjectionLimits, KineticRead, ReaderFeatures


class FmpProtocol(BaseModel):
    """What one protocol file contains, as somebody has set it in ScreenWorks.

    `channels` are pairs of excitation and emission in nanometres. Volume, speed and height of the
    addition are given together or not at all. `preparation_s` passes before the first frame.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(pattern=r"(?i)^[^,\t]+\.fmp$")
    channels: tuple[tuple[float, float], ...] = Field(min_length=1)
    interval_s: float = Field(gt=0)
    baseline_s: float = Field(ge=0)
    record_s: float = Field(ge=0)
    volume_ul: float | None = None
    speed_ul_per_s: float | None = None
    height_mm: float | None = None
    preparation_s: float = Field(default=0.0, ge=0)

    def differences(self, read: KineticRead) -> list[str]:
        """What this protocol has otherwise than the read wants, in words; empty when it fits."""
        wanted = _wanted(read)
        has = {key: getattr(self, key) for key in wanted if key != "channels"}
        has["channels"] = sorted(self.channels)
        return [f"{key} {_say(has[key])}, not {_say(wanted[key])}"
                for key in wanted if has[key] != wanted[key]]  # fmt: skip


class Settings(BaseModel):
    """Settings of one FLIPR. `data_folder` is a folder of its own computer, for the data files.

    `source` and `tips` are the positions of its compound plate and tip rack.
    `set_temperature_c` is what the stage is set to at the instrument. `handler_s` is granted to a
    movement of the plate handler, `margin_s` to a run beyond its time, `export_s` to the export.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocols: Mapping[str, FmpProtocol] = Field(default_factory=dict)
    source: str = ""
    tips: str = ""
    data_folder: str = Field(default="C:\\platectl", pattern=r"^[^,\t]+$")
    loadplate_flag: Literal["yes", "no"] = "no"
    set_temperature_c: float | None = None
    poll_s: float = Field(default=2.0, gt=0)
    handler_s: float = Field(default=120.0, gt=0)
    margin_s: float = Field(default=120.0, ge=0)
    export_s: float = Field(default=60.0, gt=0)


def fitting_protocol(read: KineticRead, protocols: Mapping[str, FmpProtocol]) -> FmpProtocol:
    """Return the protocol that contains exactly this read.

    Raises:
        RefusedError: None does; says how the nearest one differs.
    """
    nearest: tuple[list[str], str] | None = None
    for name, protocol in protocols.items():
        differences = protocol.differences(read)
        if not differences:
            return protocol
        if nearest is None or len(differences) < len(nearest[0]):
            nearest = differences, name
    if nearest is None:
        raise RefusedError("no protocols are declared for this FLIPR; the wire cannot set one up")
    raise RefusedError(
        f"no declared protocol contains this read; the nearest, {nearest[1]}, has "
        f"{'; '.join(nearest[0])}"
    )


def pair(channel: Channel) -> tuple[float, float]:
    """A channel as it stands in a protocol."""
    return channel.excitation_nm, channel.emission_nm


def _wanted(read: KineticRead) -> dict[str, object]:
    injection = read.injection
    return {
        "channels": sorted(map(pair, read.channels)),
        "interval_s": read.interval_s,
        "baseline_s": read.baseline_s,
        "record_s": read.record_s,
        "volume_ul": injection.volume_ul if injection else None,
        "speed_ul_per_s": injection.speed_ul_per_s if injection else None,
        "height_mm": injection.height_mm if injection else None,
    }


def _say(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def features_of(settings: Settings) -> ReaderFeatures:
    """What the declared protocols can do together."""
    protocols = list(settings.protocols.values())
    adding = [p for p in protocols if p.volume_ul is not None]
    set_c = settings.set_temperature_c or 0.0
    return ReaderFeatures(
        geometry="plate",
        excitation_nm=_range(x for p in protocols for x, _ in p.channels),
        emission_nm=_range(m for p in protocols for _, m in p.channels),
        least_interval_s=min((p.interval_s for p in protocols), default=0.0),
        temperature_c=(set_c, set_c),
        clock="instrument",
        delivery="after",
        injection=InjectionLimits(
            volume_ul=_range(p.volume_ul for p in adding),
            speed_ul_per_s=_range(p.speed_ul_per_s for p in adding),
            height_mm=_range(p.height_mm for p in adding),
            needs_tips=True,
        )
        if adding
        else None,
        no_injection="" if adding else "no declared protocol makes an addition",
        notes=(
            "a read must be contained exactly in one of the declared protocols",
            "an addition goes into all 96 wells, whatever wells are read",
            "the stage's temperature is set at the instrument; the declared one is taken for it",
        ),
    )


def _range(values: Iterable[float | None]) -> tuple[float, float]:
    numbers = [value for value in values if value is not None]
    return (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
