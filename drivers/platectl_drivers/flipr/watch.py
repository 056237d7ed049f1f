"""Waits for the export of one data file in a folder where others lie too."""

from __future__ import annotations

from platectl.domain.errors import DisconnectedError, MalformedReplyError
from platectl.hal.stream import DropFolder
from platectl_drivers.flipr.export_file import data_file_of, is_whole


class ExportWatch:
    """Looks for the export that names a data file; reads whole foreign files only once."""

    def __init__(self, folder: DropFolder, data_file: str) -> None:
        self._folder = folder
        self._data_file = data_file
        self._foreign: set[str] = set()
        self._before: dict[str, bytes] = {}
        self.unreadable = ""

    async def present(self) -> dict[str, bytes]:
        """Name and content of what belongs to the data file at present, whole or not."""
        ours: dict[str, bytes] = {}
        self.unreadable = ""
        try:
            for name in await self._folder.names():
                if name in self._foreign:
                    continue
                data = await self._folder.read(name)
                found = data_file_of(data)
                if found == self._data_file:
                    ours[name] = data
                elif found is not None and is_whole(data):
                    self._foreign.add(name)
        except DisconnectedError as error:
            self.unreadable = str(error)
        return ours

    async def look(self) -> tuple[str, bytes] | None:
        """Name and content of the export once it is whole and unchanged since the last look.

        Raises:
            MalformedReplyError: Two whole files belong to the data file.
        """
        ours = await self.present()
        whole = [name for name, data in ours.items() if is_whole(data)]
        if len(whole) > 1:
            raise MalformedReplyError(f"{' and '.join(whole)} both belong to {self._data_file}")
        settled = [name for name in whole if ours[name] == self._before.get(name)]
        self._before = ours
        return (settled[0], ours[settled[0]]) if settled else None
