"""The one exception of the analysis floor."""

from __future__ import annotations

from platectl.domain.codes import Code


class AnalysisError(ValueError):
    """The data, or a question asked of them, cannot give an answer; the message is one sentence.

    `code` names the finding.
    """

    def __init__(self, message: str, code: Code = Code.NO_ANSWER) -> None:
        super().__init__(message)
        self.code = code
