"""The scenes of devices behind SiLA 2 servers; features and units are those of no maker."""

from __future__ import annotations

from typing import Any, Final

from platectl.conformance.stage import Scene, Stage

HEATING: Final[dict[str, Any]] = {
    "set_temperature": [
        {"command": "Heating.Heat", "parameters": {"Kelvin": {"of": "temperature_c", "offset": 273.15}}}
    ],
    "stop_heating": [{"command": "Heating.HeatOff"}],
}  # fmt: skip
READINGS: Final[dict[str, Any]] = {
    "temperature_c": {"property": "Heating.Kelvin", "offset": -273.15}
}
ABORT: Final = [{"command": "Stopping.Halt"}]


def _play(stage: Stage, name: str, verb: str, how: dict[str, Any], verbs: dict[str, Any], *,
          simulated: dict[str, Any] | None = None, readings: dict[str, Any] = READINGS, **more: Any) -> Scene:  # fmt: skip
    settings: dict[str, Any] = {"verbs": verbs, "readings": readings, "abort": ABORT}
    return stage.play(
        name, verb, how, simulated={**settings, **(simulated or {})}, **settings, **more
    )


def shaker(stage: Stage) -> Scene:
    """A plate is shaken."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    speed = {"of": "speed_rpm", "type": "integer"}
    shake = {
        "command": "Shaking.Shake",
        "parameters": {"Speed": speed, "Duration": {"of": "duration_s"}},
    }
    how = {"speed_rpm": 600, "duration_s": 30}
    return _play(
        stage, "sila2_shaker", "shake", how, {"shake": [shake], **HEATING}, position="nest"
    )


def thermostat(stage: Stage) -> Scene:
    """A plate is warmed."""
    stage.world.place("P1", "assay_plate_96", "nest", volume_ul=100)
    how = {"temperature_c": 37.0}
    return _play(stage, "sila2_thermostat", "set_temperature", how, HEATING, position="nest")


def sealer(stage: Stage) -> Scene:
    """A plate is sealed."""
    stage.world.place("P1", "assay_plate_96", "tray")
    seal = {
        "command": "Sealing.Seal",
        "parameters": {"Temperature": {"of": "temperature_c"}, "Duration": {"of": "duration_s", "scale": 1000.0}},
    }  # fmt: skip
    how = {"temperature_c": 170, "duration_s": 3}
    return _play(stage, "sila2_sealer", "seal", how, {"seal": [seal]}, readings={}, position="tray")


def incubator(stage: Stage) -> Scene:
    """A plate is fetched."""
    places = {str(n): f"it.{n}" for n in range(1, 18)}
    for name in ("station", *places.values()):
        stage.world.add_position(name)
    stage.world.place("P1", "assay_plate_96", "it.12")
    slot = {"Slot": {"of": "slot", "type": "integer"}}
    verbs = {
        "store": [{"command": "Storing.Store", "parameters": slot}],
        "fetch": [{"command": "Storing.Fetch", "parameters": slot}],
        "set_temperature": HEATING["set_temperature"],
    }
    return _play(
        stage, "sila2_incubator", "fetch", {"slot": 12}, verbs, position="station", slots=17,
        simulated={"slots": places}, again=("store", {"slot": 12}), repeatable=False,
    )  # fmt: skip
