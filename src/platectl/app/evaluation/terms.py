"""By what an analysis is made, beside the protocol: rules, and wells that people left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from platectl.domain.result_rules import ResultRules
from platectl.domain.units import FROZEN
from platectl.store.ledger import Ledger

#: name of the frozen document with the rules that were in force when the run began
RULES: Final = "rules"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an analysis is made by beside the protocol.

    Attributes:
        rules: When a curve gives a number, and what a plate must keep.
        excluded: Plate -> well -> why a person left it out; it is shown and not fitted.
    """

    rules: ResultRules = ResultRules(platectl=1)  # noqa: RUF009 frozen
    excluded: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


BUNDLED_TERMS = Terms()


def rules_of(ledger: Ledger) -> ResultRules:
    """The rules that were in force when a run began; the bundled ones where none were kept."""
    if not ledger.has_frozen(RULES):
        return BUNDLED_TERMS.rules
    return ResultRules.model_validate_json(ledger.frozen(RULES), context=FROZEN)
