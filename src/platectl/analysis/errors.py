"""The one exception of the analysis floor."""

from __future__ import annotations


class AnalysisError(ValueError):
    """The data, or a question asked of them, cannot give an answer; the message is one sentence."""
