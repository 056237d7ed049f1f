"""Simulated nights in a store, as `platectl run` leaves them."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog

from platectl.app.night import execute
from platectl.app.prepare import Options, prepare
from platectl.app.runs import announce, keep


def run_night(store: Path, protocol: str, name: str) -> Path:
    """Run a bundled protocol on the simulated lab and return its run folder."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    night = prepare(Options(protocol, run=name))
    announce(store, name, night.compiled, "2026-01-05T18:00:00+00:00")
    keep(store, name, night.compiled, execute(night, store / name))
    return store / name
