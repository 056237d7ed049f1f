"""How a serial line is set, whichever library opens it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal


@dataclass(frozen=True, slots=True)
class SerialLine:
    """Speed, frame, flow control and a break when it is opened; the names are those of an address."""

    baud: int = 9600
    bytesize: Literal[5, 6, 7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1
    xonxoff: bool = False
    rtscts: bool = False
    break_ms: int = 0

    def __str__(self) -> str:
        flow = [text for text, on in (("XON/XOFF", self.xonxoff), ("RTS/CTS", self.rtscts)) if on]
        frame = f"{self.baud} {self.bytesize}{self.parity}{self.stopbits}"
        broken = [f"a break of {self.break_ms} ms"] if self.break_ms else []
        return " with ".join(filter(None, (frame, " and ".join([*flow, *broken]))))

    @property
    def options(self) -> str:
        """What stands behind the `?` of an address of this line: the speed, and what is not usual."""
        usual = SerialLine()
        return "&".join(
            f"{field.name}={int(value) if isinstance(value, bool) else value}"
            for field in fields(self)
            if (value := getattr(self, field.name)) != getattr(usual, field.name)
            or field.name == "baud"
        )
