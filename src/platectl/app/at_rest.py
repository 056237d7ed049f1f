"""What a run is that no engine drives: over, held for a person, or cut off."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from platectl.app.channel import tell
from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.engine.state import RunState
from platectl.store.ledger import Ledger
from platectl.store.lock import owner_of

#: nothing of these runs is under way at any instrument
OVER: Final = frozenset({"done", "failed", "aborted", "stopped"})


@dataclass(frozen=True, slots=True)
class AtRest:
    """A run without an engine: its status by the ledger, why it is held, what can be done."""

    run: str
    status: str
    why: str
    next: str

    @property
    def sentence(self) -> str:
        """All of it, for people."""
        said = f"{self.run} is {self.status}"
        said += f": {self.why}" if self.why else ""
        return f"{said}; {self.next}"


def at_rest(folder: Path) -> AtRest | None:
    """What a run is; None while a process drives it, or when it was never begun."""
    if owner_of(folder) is not None or not (folder / "ledger.db").exists():
        return None
    with Ledger.reading(folder / "ledger.db") as ledger:
        events = list(ledger.events())
    state, name = RunState.of(events), folder.name
    if state.status in {"done", "aborted"}:
        return AtRest(name, state.status, "", f"`platectl show {name}` has what it brought")
    ends = ("run.held", "run.failed")
    last = next((e.data for e in reversed(events) if e.kind in ends), {})
    why = "; ".join(last.get("reasons", ())) or str(last.get("error", ""))
    goes_on = f"`platectl resume {name}` goes on"
    if state.status in {"held", "failed", "stopped", "paused"}:
        return AtRest(name, state.status, why, goes_on)
    return AtRest(name, "cut off", "its process is gone", goes_on)


def tell_run(folder: Path, word: str, **fields: Any) -> dict[str, Any]:
    """Say something to the engine of a run.

    Raises:
        UserInputError: It refused, or no engine drives the run; with what the run is.
        DisconnectedError: A process drives it, and does not answer.
    """
    try:
        return tell(folder, word, **fields)
    except DisconnectedError:
        if (found := at_rest(folder)) is None:
            raise
        raise UserInputError(f"nobody can be told to {word}: {found.sentence}") from None
