"""The conversation of a bridge: one request after another, each verb at most once, abort at any time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from platectl.bridge import library
from platectl.bridge.device import Device, Maker, Verb, real_backend
from platectl.bridge.devices import DEVICES
from platectl.bridge.memory import OPEN, Memory
from platectl.domain import frames
from platectl.domain.errors import DisconnectedError, MalformedReplyError
from platectl.hal.stream import ByteStream

LONGEST: Final = 1 << 22
#: how long a new child waits for an earlier one to end
TAKE_S: Final = 120.0
LOOK_S: Final = 0.5
ABORTED: Final = "aborted"
#: requests that do not wait for the verb under way
AT_ONCE: Final = {"abort", "hello", "recall"}
#: ends after which a verb may be tried anew
FREE: Final = {"", "fault", "refused"}
Answer = dict[str, Any]


class Host:
    """Serves one conversation with one device; `memory` outlives it.

    `make` makes backends; a simulator hands in one whose backends act on its world.
    """

    def __init__(self, memory: Memory, make: Maker = real_backend) -> None:
        self._memory = memory
        self._make = make
        self._device: Device | None = None
        self._requests: asyncio.Queue[tuple[int, Mapping[str, Any]] | None] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._aborts = 0
        self._running: asyncio.Task[Any] | None = None
        self._stream: ByteStream

    async def serve(self, stream: ByteStream) -> None:
        """Answer until the line closes; then end what was begun and let go of the device."""
        self._stream = stream
        worker = asyncio.create_task(self._work())
        try:
            await self._listen()
            self._requests.put_nowait(None)
            await worker
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            if self._device is not None:
                with contextlib.suppress(Exception):  # whoever asked is gone
                    await self._device.close()
            self._memory.release(self)

    async def _listen(self) -> None:
        """Hand requests to the worker, and answer at once what does not wait for its turn."""
        buffer = bytearray()
        while True:
            try:
                buffer += await self._stream.receive()
            except DisconnectedError:
                return
            while (cut := buffer.find(frames.END)) >= 0:
                line = bytes(buffer[:cut])
                del buffer[: cut + len(frames.END)]
                with contextlib.suppress(MalformedReplyError):  # who asked waits in vain
                    await self._take(frames.decode(line))
            if len(buffer) > LONGEST:
                buffer.clear()

    async def _take(self, request: Mapping[str, Any]) -> None:
        if request.get("do") in AT_ONCE:
            await self._answer(request, await self._outcome(request))
        else:
            self._waiting.add(str(request.get("key", "")))
            self._requests.put_nowait((self._aborts, request))

    async def _work(self) -> None:
        while (item := await self._requests.get()) is not None:
            aborts, request = item
            self._waiting.discard(str(request.get("key", "")))
            if aborts < self._aborts:
                answer = _told(("refused", ABORTED, "aborted before it began"))
            else:
                answer = await self._outcome(request)
            await self._answer(request, answer)

    async def _answer(self, request: Mapping[str, Any], answer: Answer) -> None:
        with contextlib.suppress(DisconnectedError):  # it is remembered all the same
            await self._stream.send(frames.encode({"id": request.get("id"), **answer}))

    async def _outcome(self, request: Mapping[str, Any]) -> Answer:
        do, key = str(request.get("do")), str(request.get("key", ""))
        given = dict(request.get("with", {}))
        own: dict[str, Verb] = {
            "hello": self._hello, "begin": self._begin, "resume": self._resume,
            "recall": self._recall, "abort": self._abort,
        }  # fmt: skip
        try:
            if do in own:
                return {"ok": await own[do](**given)}
            device = self._device_for(do)
        except Exception as error:  # noqa: BLE001  # whatever it is, the driver is told
            return _told(library.judge(error, handed=False))
        if do in device.queries:
            return await self._do(device, device.queries[do], given)
        known = None if do in device.settings else self._remembered(key)
        return known or await self._do_once(device, do, key, given)

    def _device_for(self, do: str) -> Device:
        device = self._device
        if device is None:
            raise library.BridgeRefusalError("say `begin` or `resume` first")
        if do not in device.queries and do not in device.verbs:
            raise library.BridgeRefusalError(f"there is no verb {do!r}")
        return device

    # What is asked of the host ---------------------------------------------------------------
    async def _hello(self, device: str, backend: str, trusted: list[str]) -> Answer:
        library.require()
        if device not in DEVICES:
            raise library.BridgeRefusalError(f"there is no device {device!r}")
        name = library.load(backend, trusted).__name__
        return {"version": library.VERSION, "backend": name, "busy": self._memory.busy(self)}

    async def _begin(self, device: str, options: Answer, now: str) -> None:
        await self._take_device(device, options)
        self._memory.clear()
        self._memory.add({"since": now})

    async def _resume(self, device: str, options: Answer) -> None:
        taken = await self._take_device(device, options)
        for record in self._memory.accomplished():
            taken.recall(record["do"], record["with"])

    async def _take_device(self, device: str, options: Answer) -> Device:
        """Wait for the device, and build it anew."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + TAKE_S
        while not self._memory.take(self):
            if loop.time() > due_s:
                raise library.BridgeFaultError(
                    "busy", f"an earlier process still has the device{self._memory.holder()}"
                )
            await asyncio.sleep(LOOK_S)
        if self._device is not None:
            await self._device.close()
        trusted = tuple(options.get("trusted", ()))
        backend = self._make(options["backend"], options.get("arguments", {}), trusted)
        self._device = DEVICES[device](backend, options)
        return self._device

    async def _recall(self, action: str) -> Answer:
        self._memory.look()
        busy = self._memory.busy(self)
        alive = busy or self._running is not None
        states = self._memory.states(action) | {
            key: "running" for key in self._waiting if key.startswith(action)
        }
        known = {OPEN: "running" if alive else "lost"}
        return {
            "since": self._memory.since, "busy": busy,
            "states": {key: known.get(state, state) for key, state in states.items()},
        }  # fmt: skip

    async def _abort(self) -> None:
        self.stop()
        self._memory.stop(self)

    def stop(self) -> None:
        """Abort the verb under way, and those that wait."""
        self._aborts += 1
        if self._running is not None:
            self._running.cancel()

    # Verbs -----------------------------------------------------------------------------------
    def _remembered(self, key: str) -> Answer | None:
        """What is answered without doing it: it was done, or nobody knows whether it was."""
        state = self._memory.state(key)
        if state in FREE:
            return None
        if state == "done":
            return {"ok": self._memory.result(key)}
        return _told(("unknown", "in_doubt", f"{key} was begun before, and its end is not known"))

    async def _do_once(self, device: Device, do: str, key: str, given: Answer) -> Answer:
        self._memory.add({"key": key, "do": do, "with": given})
        answer = await self._do(device, device.verbs[do], given)
        if "ok" in answer:
            self._memory.add({"key": key, "end": "done", "ok": answer["ok"]})
        else:
            aborted = answer["code"] == ABORTED and answer["kind"] != "refused"
            self._memory.add({"key": key, "end": ABORTED if aborted else answer["kind"]})
        return answer

    async def _do(self, device: Device, verb: Verb, given: Answer) -> Answer:
        self._running = running = asyncio.create_task(_ready_and(device, verb, given))
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError:
            running.cancel()
            raise
        finally:
            self._running = None
        if running.cancelled():
            with contextlib.suppress(Exception):  # the verb's own end is told
                await device.halt()
            return _told(("fault" if device.handed else "refused", ABORTED, "it was aborted"))
        error = running.exception()
        if error is None:
            return {"ok": running.result()}
        if not isinstance(error, Exception):
            raise error
        return _told(device.judge(error, handed=device.handed > 0))


async def _ready_and(device: Device, verb: Verb, given: Answer) -> Any:
    """Set the device up if that is still to be done, then do the verb."""
    try:
        await device.ready()
    except library.BridgeFaultError:
        raise
    except Exception as error:
        raise library.BridgeFaultError("setup", f"the set-up failed: {error!r}") from error
    device.handed = 0
    return await verb(**given)


def _told(found: tuple[str, str, str]) -> Answer:
    kind, code, says = found
    return {"kind": kind, "code": code, "says": says.encode("ascii", "replace").decode()}
