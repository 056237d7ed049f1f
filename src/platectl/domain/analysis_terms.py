"""By what a version of an analysis was made: rules, settings, and the wells that people left out."""

from __future__ import annotations

from pydantic import Field

from platectl.domain.doc import Doc
from platectl.domain.result_rules import ResultRules


class Exclusion(Doc):
    """A well that a person left out of the analysis; it stays in the data and is shown.

    `entry` is the number of the decision in the review book.
    """

    plate: str
    well: str
    by: str
    reason: str
    at: str = Field(description="ISO 8601")
    entry: int

    @property
    def sentence(self) -> str:
        """Why, and who said so."""
        return f"{self.reason} (excluded by {self.by})"


class AnalysisTerms(Doc):
    """All choices of one version; `settings` are those that differ from the protocol of the run."""

    rules: ResultRules
    settings: dict[str, str] = Field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()

    def excluded(self) -> dict[str, dict[str, str]]:
        """Plate -> well -> why it is left out."""
        found: dict[str, dict[str, str]] = {}
        for item in self.exclusions:
            found.setdefault(item.plate, {})[item.well] = item.sentence
        return found
