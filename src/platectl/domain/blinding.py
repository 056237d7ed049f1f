"""The key of a blinded study: which code stands for which compound."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from platectl.domain.doc import Doc
from platectl.domain.samples import Sample

#: letters and digits that nobody mistakes for one another on a tube
ALPHABET = "34679CFHJKMNPRTWXY"


class BlindedSample(Doc):
    """A line of the sheet and the code that stands for its compound."""

    code: str
    sample: Sample


class Key(Doc):
    """Codes and compounds of a study. `salt` keeps the commitment from being guessed."""

    platectl: Literal[1] = 1
    study: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$")
    by: str
    reason: str
    at: str = Field(description="ISO 8601")
    salt: str
    sheet: str = Field(description="SHA-256 of the sample sheet")
    entries: tuple[BlindedSample, ...]

    @model_validator(mode="after")
    def _one_to_one(self) -> Self:
        codes = [entry.code for entry in self.entries]
        if len(set(codes)) < len(codes):
            raise ValueError("a code stands for two compounds")
        return self

    @property
    def commitment(self) -> str:
        """SHA-256 of the key; a run keeps it, so that no other key can be opened later."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def names(self) -> dict[str, str]:
        """Code -> compound."""
        return {entry.code: entry.sample.compound for entry in self.entries}

    def coded(self) -> tuple[Sample, ...]:
        """The sheet under codes, in their order, which says nothing about that of the compounds."""
        found = sorted(self.entries, key=lambda entry: entry.code)
        return tuple(_hidden(entry.sample, entry.code) for entry in found)

    def code_of(self, name: str) -> str | None:
        """Code of a compound or of a code; None where neither is known."""
        wanted = name.casefold()
        return next(
            (e.code for e in self.entries
             if wanted in {e.code.casefold(), e.sample.compound.casefold()}), None
        )  # fmt: skip

    def under_codes(self, samples: Sequence[Sample]) -> tuple[tuple[Sample, ...], list[Sample]]:
        """Samples under their codes, in the order of the codes, and those that have none."""
        found = [(self.code_of(s.compound), s) for s in samples]
        hidden = sorted((_hidden(s, code) for code, s in found if code), key=lambda s: s.compound)
        return tuple(hidden), [s for code, s in found if code is None]

    def translated(self, content: Any) -> Any:
        """JSON content with codes in place of compounds: keys and texts that are one, or begin so."""
        if isinstance(content, Mapping):
            return {self._said(str(k)): self.translated(v) for k, v in content.items()}
        if isinstance(content, (list, tuple)):
            return [self.translated(item) for item in content]
        return self._said(content) if isinstance(content, str) else content

    def _said(self, text: str) -> str:
        for entry in sorted(self.entries, key=lambda e: -len(e.sample.compound)):
            name = entry.sample.compound
            if text.casefold() == name.casefold() or text.casefold().startswith(
                f"{name} ".casefold()
            ):
                return entry.code + text[len(name) :]
        return text


def _hidden(sample: Sample, code: str) -> Sample:
    """A sample under its code; its tube has a new label, and its line would tell the compound."""
    return sample.model_copy(update={"compound": code, "barcode": "", "line": 0})
