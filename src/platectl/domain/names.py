"""Names that people give and that become folders, files, or words of a command."""

from __future__ import annotations

import re
from typing import Final

from platectl.domain.errors import UserInputError

_NAME: Final = re.compile(r"[^\W_][^/\\\x00-\x1f\x7f]{0,99}")
#: what stands for something else where a name is written
_TAKEN: Final = frozenset({"latest"})


def check_name(name: str, what: str) -> str:
    """Return the name.

    Raises:
        UserInputError: It could leave its folder, be taken for an option, or mean something else.
    """
    if not _NAME.fullmatch(name) or name in _TAKEN or name[-1] in ". ":
        raise UserInputError(
            f"{name!r} is no name of {what}: begin with a letter or digit, without / and \\, at most "
            f"100 characters, and not {', '.join(sorted(_TAKEN))}"
        )
    return name
