"""Envelopes of the robot server: data, lists and errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from platectl.simkit.http import HttpReply

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class RefusedRequestError(Exception):
    """A request that the server answers with an error; carries the reply."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def reply(status: int, body: Any) -> HttpReply:
    """Any JSON body."""
    return HttpReply(status, _encode(body).encode())


def one(status: int, data: Any) -> HttpReply:
    """A single resource."""
    return reply(status, {"data": data})


def page(items: Sequence[Any], query: dict[str, str], *, last: bool = False) -> HttpReply:
    """A page of a list; without a cursor the first one, or the last."""
    total = len(items)
    for name in ("cursor", "pageLength"):
        if not query.get(name, "0").isdigit():
            raise refuse(
                422, "InvalidRequest", "Invalid Request", "not a number", pointer=f"/query/{name}"
            )
    length = int(query.get("pageLength", "20"))
    start = int(query["cursor"]) if "cursor" in query else (max(0, total - length) if last else 0)
    start = max(0, min(start, total))
    data = list(items[start : start + length])
    meta = {"cursor": start, "totalLength": total}
    return reply(200, {"data": data, "links": {}, "meta": meta})


def refuse(
    status: int, name: str, title: str, detail: str, *, code: str = "4000", pointer: str = ""
) -> RefusedRequestError:
    """An error of the newer shape."""
    error: dict[str, Any] = {"id": name, "title": title, "detail": detail}
    if pointer:
        error["source"] = {"pointer": pointer}
    return RefusedRequestError(reply(status, {"errors": [error | {"errorCode": code}]}))


def refuse_plainly(status: int, message: str, code: str = "4000") -> RefusedRequestError:
    """An error of the older shape, as header checks and legacy routes give it."""
    return RefusedRequestError(reply(status, {"message": message, "errorCode": code}))
