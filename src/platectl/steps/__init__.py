"""Step kinds: parameters, effect class, duration, liquid moves and execution, side by side.

To add a kind, write its class and list it here; compiler, checks and engine find it by name.
"""

from __future__ import annotations

from platectl.domain.steps import Step
from platectl.steps.cells import (
    Aspirate,
    FetchPlate,
    PrimeWasher,
    StorePlate,
    WarmIncubator,
    WashPlate,
)
from platectl.steps.checks import Scan, Weigh
from platectl.steps.climate import Preheat, Shake, Wait
from platectl.steps.dispense import Dispense, Prime, Refill
from platectl.steps.harvest import Filter, ServedHarvest
from platectl.steps.kind import StepKind
from platectl.steps.people import Load, Manual
from platectl.steps.plates import Count, MovePlate, Peel, Seal
from platectl.steps.reading import Carriage, Read, WarmReader
from platectl.steps.transfer import Transfer

_KINDS = (
    Aspirate, Carriage, Count, Dispense, FetchPlate, Filter, Load, Manual, MovePlate, Peel, Preheat, Prime,
    PrimeWasher, Read, Refill, Scan, Seal, ServedHarvest, Shake, StorePlate, Transfer, Wait, WarmIncubator,
    WarmReader, WashPlate, Weigh,
)  # fmt: skip
KINDS = {kind.name: kind for kind in _KINDS}
#: what is still done with a plate that was given up, so that it does not stand in the way
CLEARING = frozenset({"move", "store", "fetch", "carriage"})
#: what one plate does for all
SHARED = frozenset({"prime", "prime_washer", "preheat", "warm_reader", "warm_incubator"})


def kind_of(step: Step) -> StepKind:
    """Return the step's parameters as an object of its kind.

    Raises:
        KeyError: No kind of that name.
        pydantic.ValidationError: The parameters do not fit the kind.
    """
    return KINDS[step.kind].model_validate(step.params)


def consumes(step: Step) -> bool:
    """Whether a step spends what cannot be had back: what is loaded, liquids, tips, seals.

    A step that only places, waits, shakes, warms, looks, counts or reads spends nothing; one that reads
    and adds does.
    """
    if step.kind == "load" or step.effect == "consume":
        return True
    kind = kind_of(step)
    return bool(isinstance(kind, Manual) and kind.uses) or any(True for _ in kind.liquid_moves())
