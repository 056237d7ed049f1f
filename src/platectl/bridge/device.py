"""What the host asks of a device, and a tap on the calls that reach its backend."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

from platectl.bridge.library import judge as judged
from platectl.bridge.library import load, make

Options = Mapping[str, Any]
Verb = Callable[..., Awaitable[Any]]
#: makes the backend of a dotted name: (name, arguments, trusted packages)
Maker = Callable[[str, Options, tuple[str, ...]], Any]


def real_backend(name: str, arguments: Options, trusted: tuple[str, ...]) -> Any:
    """The backend itself."""
    return make(name, trusted, **arguments)


class Device:
    """One PyLabRobot machine with its backend; verbs have the names of the HAL.

    Lifetime: built without talking; `ready` sets it up at its first verb, `close` lets go of it and
    leaves heaters and motors as they are.
    """

    #: verbs that set a state; they are done whenever they are asked for
    settings: ClassVar[frozenset[str]] = frozenset()
    #: methods of the backend that act on the world
    primitives: ClassVar[tuple[str, ...]] = ()

    def __init__(self, backend: Any, options: Options) -> None:
        self.backend = backend
        self.options = options
        self.trusted = tuple(options.get("trusted", ()))
        #: how many calls have reached the backend
        self.handed = 0
        #: what changes the world, and is remembered
        self.verbs: dict[str, Verb] = {}
        #: what only asks
        self.queries: dict[str, Verb] = {"ready": self._nothing}
        self.front: Any = None
        self._ready = False
        for name in self.primitives:
            tap(backend, name, before=self._count)

    async def _nothing(self) -> None:
        return None

    def _count(self) -> None:
        self.handed += 1

    async def ready(self) -> None:
        """Set the machine up once."""
        if not self._ready:
            await self.front.setup()
            self._ready = True

    async def close(self) -> None:
        """Let go of the backend; not the machine's own `stop`, which switches heaters off."""
        if self._ready:
            self._ready = False
            await self.backend.stop()

    async def halt(self) -> None:
        """Stop what moves, after its verb was cancelled."""

    def recall(self, do: str, given: Mapping[str, Any]) -> None:
        """Take in a verb that an earlier child did; nothing moves."""

    def judge(self, error: Exception, *, handed: bool) -> tuple[str, str, str]:
        """Kind, code and text of what a verb raised."""
        return judged(error, handed=handed)

    def thing(self, name: str, /, *args: Any, **how: Any) -> Any:
        """Make something of PyLabRobot."""
        return make(name, self.trusted, *args, **how)


def tap(
    owner: Any,
    name: str,
    *,
    before: Callable[[], None] = lambda: None,
    after: Callable[[Any, Mapping[str, Any]], Awaitable[None]] | None = None,
) -> None:
    """Put a tap on a coroutine method: `before` its call, `after` it with what it was given."""
    method = getattr(owner, name)

    @functools.wraps(method)
    async def tapped(*args: Any, **how: Any) -> Any:
        before()
        result = await method(*args, **how)
        if after is not None:
            await after(args, how)
        return result

    setattr(owner, name, tapped)


#: size of a nest in millimetres; PyLabRobot asks for one, and nothing here depends on it
NEST: Final = {"size_x": 127.76, "size_y": 85.48, "size_z": 10.0}


def origin() -> Any:
    """The corner of a machine."""
    return load("pylabrobot.resources.Coordinate").zero()
