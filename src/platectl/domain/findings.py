"""Findings of checks: what is wrong, where, and what would be right. All of them, not the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from platectl.domain.codes import Code
from platectl.domain.errors import UserInputError


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault or warning in the operator's input.

    `where` is the field, step or well; `fix` says what would be right; `code` is the name of a
    finding of data.
    """

    message: str
    file: str = ""
    line: int | None = None
    where: str = ""
    fix: str = ""
    severity: Literal["error", "warning"] = "error"
    code: Code | None = None

    @classmethod
    def of(cls, error: Exception, file: str, line: int | None = None, where: str = "") -> Finding:
        """The finding that an error of one value states as `message; what would be right`."""
        message, _, fix = str(error).partition("; ")
        return cls(message, file, line, where, fix, code=getattr(error, "code", None))

    def within(self, file: str, line: int | None, where: str) -> Finding:
        """The finding as one of a part of another file, which asked for what it is about."""
        inner = self.file + (f":{self.line}" if self.line else "")
        place = ": ".join(part for part in (where, inner, self.where) if part)
        return replace(self, file=file, line=line, where=place)

    @property
    def coded(self) -> str:
        """The text with the name of the finding behind it, as a terminal shows it."""
        return f"{self} [{self.code}]" if self.code else str(self)

    def plain(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return {"code": self.code and str(self.code), "severity": self.severity, "file": self.file,
                "line": self.line, "where": self.where, "message": self.message, "fix": self.fix}  # fmt: skip

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "")
        head = ": ".join(part for part in (place, self.where) if part)
        text = f"{head}: {self.message}" if head else self.message
        return f"{text}; {self.fix}" if self.fix else text


class InputRefusedError(UserInputError):
    """One or more findings forbid the run; nothing was sent to any instrument."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(f.coded for f in self.findings))


def refuse_if_any(findings: Iterable[Finding]) -> None:
    """Raise when there is at least one error among the findings.

    Raises:
        InputRefusedError: With all findings, warnings included.
    """
    found = tuple(findings)
    if any(finding.severity == "error" for finding in found):
        raise InputRefusedError(found)
