"""What wakes the daemon when a schedule falls due. It knows no schedule and remembers nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol


class Clockwork(Protocol):
    """Calls back at instants; an instant that has passed is called at once."""

    def set(self, name: str, at: datetime, fire: Callable[[], None]) -> None:
        """Call `fire` at an instant, instead of what was set under the name before."""
        ...

    def drop(self, name: str) -> None:
        """Forget what was set under a name; harmless when nothing was."""
        ...

    def close(self) -> None:
        """Call nothing any more."""
        ...


class ApsClockwork:
    """APScheduler with its jobs in memory: each is one date, and what it calls only submits.

    Callbacks come in threads of the scheduler.
    """

    def __init__(self) -> None:
        from apscheduler.schedulers.background import (
            BackgroundScheduler,  # only the daemon needs it
        )

        self._scheduler: Any = BackgroundScheduler(timezone=UTC)
        self._scheduler.start()

    def set(self, name: str, at: datetime, fire: Callable[[], None]) -> None:
        """Call `fire` at an instant."""
        self._scheduler.add_job(
            fire, "date", run_date=at, id=name, replace_existing=True, misfire_grace_time=None
        )

    def drop(self, name: str) -> None:
        """Forget what was set under a name."""
        if self._scheduler.get_job(name) is not None:
            self._scheduler.remove_job(name)

    def close(self) -> None:
        """Call nothing any more; what is being called is not waited for."""
        self._scheduler.shutdown(wait=False)
