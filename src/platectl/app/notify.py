"""Tells people: by a command, a webhook or e-mail. A channel that fails stops nobody."""

from __future__ import annotations

import http.client
import json
import os
import smtplib
import ssl
import subprocess
import urllib.request
from collections.abc import Collection
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import structlog
from pydantic import ValidationError

from platectl.domain.findings import InputRefusedError
from platectl.domain.notices import Mail, NoticeChannel, NoticeKind, Notices, Webhook
from platectl.files.yaml_lines import findings_of, read_yaml

log = structlog.get_logger()
#: what a channel may fail with; a ValueError is an address, a header or a text that cannot be sent
_FAILURES: Final = (
    OSError, ValueError, subprocess.SubprocessError, smtplib.SMTPException,
    http.client.HTTPException,
)  # fmt: skip


def load_notices(path: Path | None) -> Notices:
    """Read a notices file; None tells nobody.

    Raises:
        InputRefusedError: With all findings, each with file, line and field.
    """
    if path is None:
        return Notices()
    document = read_yaml(path)
    try:
        return Notices.model_validate(document.data)
    except ValidationError as error:
        raise InputRefusedError(findings_of(error, document)) from error


def notify(notices: Notices, kind: NoticeKind, run: str, text: str) -> list[str]:
    """Tell all channels that want to know; returns what went wrong, which is logged too."""
    return [problem for problem in tell_channels(notices, kind, run, text).values() if problem]


def tell_channels(
    notices: Notices, kind: NoticeKind, run: str, text: str, *, told: Collection[str] = ()
) -> dict[str, str]:
    """Tell the channels that want to know and are not in `told`: channel -> what went wrong, if anything."""
    found = {}
    for number, channel in enumerate(notices.channels, start=1):
        name = f"channel {number}"
        if kind not in channel.events or name in told:
            continue
        found[name] = ""
        try:
            _tell(channel, kind, run, text)
        except _FAILURES as error:
            found[name] = f"{name}: {type(error).__name__}: {_said(channel, error)}"
            log.warning("notice.channel.failed", channel=number, error=type(error).__name__)
    return found


def _said(channel: NoticeChannel, error: Exception) -> str:
    """What an error says, without the secret of its channel."""
    text = str(error)
    names = (channel.webhook and channel.webhook.secret_env,
             channel.mail and channel.mail.password_env)  # fmt: skip
    for secret in (os.environ.get(name, "") for name in names if name):
        for shape in (secret, repr(secret)[1:-1]):
            text = text.replace(shape, "…") if shape else text
    return text


def _secret(name: str) -> str:
    """A secret of the environment.

    Raises:
        ValueError: It is not set, so that nothing can be sent with it.
    """
    if name not in os.environ:
        raise ValueError(f"the environment variable {name} is not set")
    return os.environ[name]


def _tell(channel: NoticeChannel, kind: str, run: str, text: str) -> None:
    if channel.command is not None:
        known = {"PLATECTL_EVENT": kind, "PLATECTL_RUN": run, "PLATECTL_TEXT": text}
        subprocess.run(  # noqa: S603  # the lab's own command, without a shell
            channel.command, input=text.encode(), check=True, timeout=channel.limit_s,
            env={**os.environ, **known}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    elif channel.webhook is not None:
        _post(channel.webhook, {"event": kind, "run": run, "text": text}, channel.limit_s)
    elif channel.mail is not None:
        _send(channel.mail, f"platectl: {kind} of {run}", text, channel.limit_s)


def _post(hook: Webhook, content: dict[str, str], limit_s: float) -> None:
    request = urllib.request.Request(  # noqa: S310  # the model admits http and https only
        hook.url, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    if hook.secret_env is not None:
        request.add_unredirected_header(hook.header, _secret(hook.secret_env))
    with urllib.request.urlopen(request, timeout=limit_s):  # noqa: S310  # as above
        return


def _send(mail: Mail, subject: str, text: str, limit_s: float) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.sender, ", ".join(mail.to), subject
    message.set_content(text)
    with smtplib.SMTP(mail.host, mail.port, timeout=limit_s) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user is not None:
            server.login(mail.user, _secret(mail.password_env) if mail.password_env else "")
        server.send_message(message)
