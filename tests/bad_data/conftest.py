"""Bad data are read as in a lab without the extra for vendors' files."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _without_the_extra() -> Iterator[None]:
    """allotropy takes seconds to be imported; here it is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("allotropy", "allotropy.parser_factory", "allotropy.to_allotrope"):
            patch.setitem(sys.modules, name, None)
        yield
