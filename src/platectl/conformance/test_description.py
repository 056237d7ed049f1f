"""A driver says what it is, and keeps to its interfaces."""

from __future__ import annotations

from platectl import registry
from platectl.conformance.description import missing


def test_it_says_what_it_is_and_has_what_its_interfaces_ask_for(driver: str) -> None:
    kind = registry.load(registry.DRIVERS, driver)

    assert missing(kind) == []
    assert kind.info.name == driver
