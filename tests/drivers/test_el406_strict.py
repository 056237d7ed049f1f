"""The EL406 driver takes no frame of another length, though its checksum is right."""

from __future__ import annotations

import struct

import pytest

from platectl.domain.errors import MalformedReplyError
from platectl_drivers.el406.frame import STATUS, Frame, checksum, decode, encode, parse_status


@pytest.mark.parametrize("data", [b"\1\2\3", b"\1\2\3\4\5", b""])
def test_the_data_are_as_long_as_the_header_states(data: bytes) -> None:
    header, sent = encode(Frame(0x92, b"\1\2\3\4"))
    assert decode(header, sent).data == sent
    same_sum = header[:9] + struct.pack("<H", checksum(header, data))

    with pytest.raises(MalformedReplyError):
        decode(same_sum, data)


@pytest.mark.parametrize("longer", [-1, 1, 9])
def test_a_status_has_one_length(longer: int) -> None:
    whole = STATUS.pack(0, 2, 0, 0)

    with pytest.raises(MalformedReplyError):
        parse_status(whole[:longer] if longer < 0 else whole + bytes(longer))
