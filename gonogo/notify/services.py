"""A notice as the HTTP request that a service takes: ntfy, Slack, Discord, Telegram; JSON for any other.

Formats: docs.ntfy.sh/publish, docs.slack.dev/messaging/sending-messages-using-incoming-webhooks,
docs.discord.com/developers/resources/webhook, core.telegram.org/bots/api#sendmessage.
"""

from __future__ import annotations

import json
import mimetypes
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request

from gonogo.notify.notice import Notice

NTFY_TAGS = {"no_go": "red_circle", "approval": "raised_hand", "alarm": "rotating_light", "launch": "rocket"}


def request(url: str, told: Notice) -> Request:
    """The POST that tells it, with its picture where the service takes one.

    Raises:
        ValueError: it is no URL.
        OSError: the picture cannot be read.
    """
    host = urlsplit(url).hostname or ""
    if host.startswith("ntfy."):
        return _ntfy(url, told)
    if _is(host, "hooks.slack.com"):
        return _json(url, {"text": f"*{_slack(told.title)}*\n{_slack(told.text)}"})
    if _is(host, "discord.com") or _is(host, "discordapp.com"):
        words = {"content": f"**{told.title}**\n{told.text}", "allowed_mentions": {"parse": []}}
        return _form(url, {"payload_json": json.dumps(words)}, "files[0]", told) if told.picture else _json(url, words)
    if _is(host, "api.telegram.org"):
        said = f"{told.title}\n{told.text}"
        if not told.picture:
            return _json(url, {"text": said})
        return _form(url.replace("/sendMessage", "/sendPhoto"), {"caption": said}, "photo", told)
    return _json(url, {key: value for key, value in told.as_json().items() if key != "picture"})


def without_picture(told: Notice) -> Notice:
    """For a service that refuses it."""
    return replace(told, picture="")


def _is(host: str, service: str) -> bool:
    return host == service or host.endswith(f".{service}")


def _slack(text: str) -> str:
    """Its three control characters, so that no name mentions a channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ntfy(url: str, told: Notice) -> Request:
    """Its words as parameters of the URL, which may be any UTF-8; headers may not."""
    options = {"title": told.title, "priority": "4" if told.urgent else "3"}
    if tags := NTFY_TAGS.get(told.event):
        options["tags"] = tags
    body = told.text.encode()
    if told.picture:
        picture = Path(told.picture)
        options |= {"message": told.text, "filename": picture.name}
        body = picture.read_bytes()
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query), *options.items()])
    return Request(parts._replace(query=query).geturl(), data=body, headers={"Content-Type": "text/plain"})


def _json(url: str, words: Mapping[str, object]) -> Request:
    return Request(url, data=json.dumps(words).encode(), headers={"Content-Type": "application/json"})


def _form(url: str, fields: dict[str, str], file_field: str, told: Notice) -> Request:
    """multipart/form-data, the picture last."""
    picture, boundary = Path(told.picture), uuid.uuid4().hex
    kind = mimetypes.guess_type(picture.name)[0] or "application/octet-stream"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file_field}"; filename="picture{picture.suffix}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    body = b"".join([*parts, head.encode(), picture.read_bytes(), f"\r\n--{boundary}--\r\n".encode()])
    return Request(url, data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
