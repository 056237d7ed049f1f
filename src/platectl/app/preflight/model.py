"""What a preflight finds, and what a person says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from platectl.domain.errors import UserInputError
from platectl.domain.events import EventKind
from platectl.domain.findings import Finding, InputRefusedError
from platectl.planning.demand import Demand

Held = Literal["yes", "no", "unknown"]
ALL = "all"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to hold: what is needed, what is there, and what to do about it.

    `unknown` is what this computer cannot tell; it is shown and forbids nothing.
    """

    name: str
    needed: str
    there: str
    ok: Held
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.needed} needed, {self.there} there"


NO_STOCK = Check("stock", "a stock file", "none given", "unknown", "give one with --stock")


@dataclass(frozen=True, slots=True)
class Override:
    """A person's word that a check, or `all`, does not matter this time."""

    name: str
    reason: str
    by: str

    @classmethod
    def parse(cls, text: str, *, by: str) -> Override:
        """Read `NAME: REASON`.

        Raises:
            UserInputError: No name, or no reason.
        """
        name, _, reason = text.partition(": ")
        if not name.strip() or not reason.strip():
            raise UserInputError(
                f'--override {text!r} gives no reason; write "NAME: REASON", NAME is that of a '
                f"check, or {ALL}"
            )
        return cls(name.strip(), reason.strip(), by)


@dataclass(frozen=True, slots=True)
class Preflight:
    """All checks of a night, what it needs, and what is odd about the stock file."""

    checks: tuple[Check, ...]
    demand: Demand
    warnings: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Check, ...]:
        """Checks that do not hold."""
        return tuple(check for check in self.checks if check.ok == "no")


def refuse_unless_held(found: Preflight, overrides: Sequence[Override]) -> None:
    """Let a night through whose checks hold or are overridden.

    Raises:
        UserInputError: An override names no check.
        InputRefusedError: With every check that does not hold.
    """
    known = {check.name for check in found.checks}
    if strange := [o.name for o in overrides if o.name not in {*known, ALL}]:
        short = ", ".join(check.name for check in found.missing) or "none"
        raise UserInputError(f"--override: {strange[0]!r} is no check; those that fail: {short}")
    left = [check for check in found.missing if _override_of(check, overrides) is None]
    if left:
        raise InputRefusedError(
            Finding(f"{check.needed} needed, {check.there} there", where=check.name, fix=check.fix)
            for check in left
        )


def records(
    found: Preflight, overrides: Sequence[Override]
) -> list[tuple[EventKind, dict[str, Any]]]:
    """What the ledger keeps: the checks that held, with their figures, and who overrode which."""
    held = [asdict(check) for check in found.checks if check.ok != "no"]
    kept: list[tuple[EventKind, dict[str, Any]]] = [("preflight.held", {"checks": held})]
    for check in found.missing:
        word = _override_of(check, overrides)
        if word is not None:
            data = {"check": asdict(check), "by": word.by, "reason": word.reason}
            kept.append(("preflight.overridden", data))
    return kept


def against_stock(kept: Iterable[tuple[EventKind, Mapping[str, Any]]]) -> bool:
    """Whether what `records` kept of a preflight was checked against a stock file."""
    return any(
        kind == "preflight.held" and NO_STOCK.name not in {c["name"] for c in data["checks"]}
        for kind, data in kept
    )


def _override_of(check: Check, overrides: Sequence[Override]) -> Override | None:
    named = (o for o in overrides if o.name == check.name)
    return next(named, next((o for o in overrides if o.name == ALL), None))
