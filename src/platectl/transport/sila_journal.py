"""What was asked of a SiLA server under which key, on disk; it outlives the process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: its command, the UUID of its execution, and its end; empty: not known."""

    command: str = ""
    execution: str = ""
    end: str = ""
    ok: Any = None


class Journal:
    """Lines of JSON, synced one by one; a half line of a death in the middle is passed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, Entry] = {}
        if path.exists():
            for line in path.read_bytes().split(b"\n")[:-1]:
                self._learn(json.loads(line))

    def last(self, key: str) -> Entry | None:
        """What is known of a key."""
        return self._entries.get(key)

    def begun(self, action: str) -> dict[str, Entry]:
        """All keys that begin with the name of an action."""
        return {key: entry for key, entry in self._entries.items() if key.startswith(action)}

    def add(self, key: str, **fields: Any) -> None:
        """Add to what is known of a key; durable on return. Nothing is remembered without a key."""
        if not key:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        record = {"key": key, **fields}
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, json.dumps(record).encode() + b"\n")
            os.fdatasync(file)
        finally:
            os.close(file)
        self._learn(record)

    def _learn(self, record: dict[str, Any]) -> None:
        """A command that is begun anew forgets how it ended before."""
        key = record["key"]
        if "end" in record:
            was = self._entries.get(key, Entry())
            self._entries[key] = Entry(was.command, was.execution, record["end"], record.get("ok"))
        else:
            self._entries[key] = Entry(record["command"], record.get("execution", ""))
