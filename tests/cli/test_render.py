"""What the terminal shows, when nobody looks any more."""

from __future__ import annotations

import os
import sys

import pytest

from platectl.cli.render import console, print_table, say


def test_a_reader_that_left_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does
    with os.fdopen(writing, "w") as left:
        monkeypatch.setattr(sys, "stdout", left)
        out = console()

        out.print("a step begins")
        out.print("another")
        say("the report is there")
        print_table(("a", "b"), [("1", "2")])

    assert out.quiet
