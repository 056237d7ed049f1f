"""What a driver knows by itself of an action in doubt: whether its command ever went out."""

from __future__ import annotations

from platectl.hal.recovery import ACTION_ID, Action


class Handed:
    """Remembers for which actions the command that counts was handed to the wire.

    Lifetime: that of the driver object; after a restart it knows of no action. Verbs file under
    `ACTION_ID`: `begin` at their start, `hand` just before the bytes that move, pour or switch.
    """

    def __init__(self) -> None:
        self._handed: dict[str, bool] = {}

    def begin(self) -> None:
        """A verb starts; what was handed over under the same identity before stays handed over."""
        self._handed.setdefault(ACTION_ID.get(), False)

    def hand(self) -> None:
        """The bytes that count are about to be sent."""
        self._handed[ACTION_ID.get()] = True

    def never(self, action: Action) -> bool:
        """Whether the action began in this life and its command was certainly not sent."""
        return bool(action.id) and self._handed.get(action.id) is False

    def did(self, action: Action) -> bool:
        """Whether the command of the action was handed over in this life."""
        return bool(action.id) and self._handed.get(action.id) is True
