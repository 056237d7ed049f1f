"""What can stand in for one another: equal instruments with their nests, hotel pairs, incubator slots.

A plate uses one member of a pool from its loading to its end, so that its standards are counted on
the counter of its filters, and it goes back into the slot that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from platectl.domain.lab import Lab, PositionEntry
from platectl.planning.facilities import Facilities
from platectl.planning.problem import Pool

#: interfaces whose instruments are not alike: a deck is laid out for one handler, and people have
#: their own hours
SINGULAR = ("LiquidHandler", "Operator")


def pools_of(facilities: Facilities) -> tuple[Pool, ...]:
    """The pools of a lab, each with at least two members."""
    lab = facilities.lab
    singular = {name for interface in SINGULAR for name in facilities.having(interface)}
    lonely = singular | set(facilities.having("Incubator"))
    hotels = dict.fromkeys(facilities.hotels(radioactive=hot) for hot in (True, False))
    found = [_slots(facilities), *(_pairs(facilities, places) for places in hotels)]
    left = [name for name in facilities.drivers if name not in lonely]
    while left:
        first, *others = left
        alike = [first, *(name for name in others if _alike(facilities, first, name))]
        found.append(tuple((name, *_places(lab, name)) for name in alike))
        left = [name for name in left if name not in alike]
    return tuple(Pool(members[0][0], members) for members in found if len(members) > 1)


def _slots(facilities: Facilities) -> tuple[tuple[str, ...], ...]:
    """Incubator slots like the first one, each with the incubator that reaches it."""
    positions = facilities.lab.positions
    slots = facilities.positions_for("incubator")
    members = []
    for slot in slots:
        first, entry = positions[slots[0]], positions[slot]
        same = first.handler == entry.handler or (
            first.handler is not None
            and entry.handler is not None
            and _alike(facilities, first.handler, entry.handler)
        )
        if same and _like(first, entry):
            served = entry.handler and (entry.handler, *_places(facilities.lab, entry.handler))
            members.append((slot, *(served or ())))
    return tuple(members)


def _pairs(facilities: Facilities, places: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Pairs of hotel positions like the first pair."""
    pairs = [tuple(places[k : k + 2]) for k in range(0, len(places) - 1, 2)]
    return tuple(
        pair
        for pair in pairs
        if all(
            _stand_in(facilities, a, b) for a, b in zip(pairs[0], pair, strict=True)
        )
    )  # fmt: skip


def _places(lab: Lab, name: str) -> tuple[str, ...]:
    entry = lab.instruments[name]
    nests = [entry.nests[nest] for nest in sorted(entry.nests)]
    return tuple(place for place in (entry.position, *nests) if place is not None and place != name)


def _alike(facilities: Facilities, first: str, other: str) -> bool:
    """Whether two instruments do the same thing in the same way, and are reached alike."""
    lab = facilities.lab
    a, b = lab.instruments[first], lab.instruments[other]
    shakers = facilities.having("Shaker")  # whatever their make, a plate shakes as fast and as long
    same = a.driver == b.driver and _settings(a.settings) == _settings(b.settings)
    if not same and not (first in shakers and other in shakers):
        return False
    if (a.radioactive, a.stays_clean) != (b.radioactive, b.stays_clean):
        return False
    if a.liquids != b.liquids or set(a.nests) != set(b.nests) or a.uses != b.uses:
        return False
    if set(a.settings.get("stations", ())) != set(b.settings.get("stations", ())):
        return False
    ours, theirs = _places(lab, first), _places(lab, other)
    return len(ours) == len(theirs) and all(
        _stand_in(facilities, x, y) for x, y in zip(ours, theirs, strict=True)
    )


def _settings(settings: Mapping[str, object]) -> dict[str, object]:
    """What makes a difference; where an arm was taught a station does not."""
    return {name: value for name, value in settings.items() if name != "stations"}


def _stand_in(facilities: Facilities, a: str, b: str) -> bool:
    """Whether one position is as good as another: conditions, and who reaches it."""
    positions = facilities.lab.positions
    first, other = positions.get(a, PositionEntry()), positions.get(b, PositionEntry())
    movers = [facilities.drivers[name].settings for name in facilities.having("PlateMover")]
    taught = [getattr(settings, "stations", {}) for settings in movers]
    return _like(first, other) and all((a in known) == (b in known) for known in taught)


def _like(first: PositionEntry, other: PositionEntry) -> bool:
    return first.model_copy(update={"slot": None, "handler": None}) == other.model_copy(
        update={"slot": None, "handler": None}
    )


def seats_in_turn(pools: Sequence[Pool], number: int, *, of: Pool | None = None) -> dict[str, str]:
    """Seats of the plate with a number, from 1 on: plates take turns with the members.

    The names are those of the first member, of the whole pool `of` where only a part takes turns.
    """
    seats: dict[str, str] = {}
    for pool in pools:
        chosen = pool.members[(number - 1) % len(pool.members)]
        first = (of or pool).members[0]
        seats |= {a: b for a, b in zip(first, chosen, strict=True) if a != b or of is not None}
    return seats


def apart(pool: Pool, *, radioactive: bool) -> Pool:
    """The half of a pool that is for radioactive plates, or that for the others."""
    half = -(-len(pool.members) // 2)
    return replace(pool, members=pool.members[:half] if radioactive else pool.members[half:])
