"""The instrument's end of pseudo terminals: answers at once, or at the pace of a serial line.

python benchmarks/wire_peer.py BAUD DESCRIPTOR...; at baud 0 the line takes no time. The answers
are those of a BioShake. It does nothing else, so that it adds as little as it can to a round trip.
"""

from __future__ import annotations

import os
import select
import sys
import time

ANSWERS = {
    b"getVersion": b"1.10.00",
    b"getDescription": b"BIOSHAKE 3000-T elm",
    b"getTempActual": b"22.0",
}
BITS = 10  # start, eight of data, stop


def answer(descriptor: int, line: bytes, byte_s: float) -> None:
    """Answer one question; with `byte_s` it takes the time that both take on the line."""
    reply = ANSWERS[line] + b"\r\n"
    if not byte_s:
        os.write(descriptor, reply)
        return
    due_s = time.perf_counter() + byte_s * (len(line) + 1)
    for byte in reply:
        due_s += byte_s
        time.sleep(max(0.0, due_s - time.perf_counter()))
        os.write(descriptor, bytes([byte]))


def main(baud: int, descriptors: list[int]) -> None:
    """Answer until the other side is gone."""
    byte_s = BITS / baud if baud else 0.0
    heard = dict.fromkeys(descriptors, b"")
    while True:
        for descriptor in select.select(descriptors, [], [])[0]:
            *lines, rest = (heard[descriptor] + os.read(descriptor, 4096)).split(b"\r")
            heard[descriptor] = rest
            for line in lines:
                answer(descriptor, line, byte_s)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(word) for word in sys.argv[2:]])
