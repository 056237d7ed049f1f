"""A drop folder is one directory and nothing outside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from platectl.domain.errors import DisconnectedError, UserInputError
from platectl.hal.stream import DropFolder
from platectl.transport.drop_folder import DropDirectory


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "b.csv").write_bytes(b"two")
    (inside / "a.csv").write_bytes(b"one")
    (inside / ".lock").write_bytes(b"")
    (tmp_path / "secret").write_bytes(b"secret")
    return inside


async def test_visible_files_are_listed_in_order(folder: Path) -> None:
    subject: DropFolder = DropDirectory(folder, in_thread=False)

    assert await subject.names() == ["a.csv", "b.csv"]
    assert await subject.read("b.csv") == b"two"


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "..", ".", "", "sub/../../secret", "a\\b", "a\0"]
)
async def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    with pytest.raises(UserInputError, match="is not the name of a file"):
        await DropDirectory(folder, in_thread=False).read(name)


async def test_a_link_does_not_lead_out_of_the_folder(folder: Path) -> None:
    (folder / "link.csv").symlink_to(folder.parent / "secret")

    with pytest.raises(UserInputError, match="leads out of"):
        await DropDirectory(folder, in_thread=False).read("link.csv")


async def test_what_cannot_be_read_is_disconnected(folder: Path) -> None:
    with pytest.raises(DisconnectedError, match="cannot read"):
        await DropDirectory(folder, in_thread=False).read("c.csv")
    with pytest.raises(DisconnectedError, match="cannot read"):
        await DropDirectory(folder / "sub" / "x", in_thread=False).names()


@pytest.mark.wall_time
async def test_a_thread_may_do_the_reading(folder: Path) -> None:
    subject = DropDirectory(folder, in_thread=True)

    assert await subject.names() == ["a.csv", "b.csv"]
    assert await subject.read("a.csv") == b"one"
