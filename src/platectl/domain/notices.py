"""Who is told what, and how: the channels of a lab's notices."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

NoticeKind = Literal["end", "failure", "hold", "person_needed", "silence", "missed", "morning"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Webhook(_Part):
    """POST of a JSON object; the secret is in an environment variable, never in the file."""

    url: str = Field(pattern=r"^https?://")
    header: str = "Authorization"
    secret_env: str | None = None


class Mail(_Part):
    """An e-mail; the password is in an environment variable, never in the file."""

    host: str
    port: int = 587
    starttls: bool = True
    sender: str
    to: tuple[str, ...] = Field(min_length=1)
    user: str | None = None
    password_env: str | None = None


class NoticeChannel(_Part):
    """One way to reach somebody, and for what."""

    events: tuple[NoticeKind, ...] = (
        "failure", "hold", "person_needed", "silence", "missed", "morning",
    )  # fmt: skip
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    webhook: Webhook | None = None
    mail: Mail | None = None
    limit_s: float = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _one_way(self) -> NoticeChannel:
        if sum(way is not None for way in (self.command, self.webhook, self.mail)) != 1:
            raise ValueError("give exactly one of command, webhook and mail")
        return self


class Notices(_Part):
    """The content of a `notify.yaml`."""

    platectl: Literal[1] = 1
    channels: tuple[NoticeChannel, ...] = ()
