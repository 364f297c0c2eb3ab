"""Where a chain's events are sent: each entry of `notify` is a command or a URL, whose secret the environment holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field

from gonogo.base.text import keep_secret

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
VARIABLE = re.compile(r"\$\{(\w+)\}")
WITH_SECRET_PATHS = ("hooks.slack.com", "discord.com", "discordapp.com", "api.telegram.org")
WITH_SECRET_SCHEMES = ("slack", "discord", "tgram")

Text = Annotated[str, Field(min_length=1)]
Entry: TypeAlias = Text | Annotated[list[Text], Field(min_length=1)]


def is_url(entry: str | Sequence[str]) -> bool:
    """Whether the entry is a URL, or one variable that holds it; all others are commands."""
    return isinstance(entry, str) and bool(_URL.match(entry) or VARIABLE.fullmatch(entry))


def keep_secrets(entries: Iterable[str | Sequence[str]]) -> None:
    """From now on the URLs, and the variables that they name, are shown nowhere."""
    for entry in entries:
        if isinstance(entry, str) and is_url(entry):
            for name in VARIABLE.findall(entry):
                keep_secret(name, os.environ.get(name, ""))
            if not VARIABLE.fullmatch(entry):
                keep_secret("notify", entry)


def literal_secret(entries: Iterable[str | Sequence[str]]) -> str:
    """One sentence about the first URL whose secret is written out; empty where none is."""
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, str) and is_url(entry) and (what := _written_out(entry)):
            return (
                f"notify: entry {number} {what}, and `snakemake --report` shows this file: export it as a variable, "
                "and write ${NAME} in its place"
            )
    return ""


def _written_out(url: str) -> str:
    """What of the URL is a secret that everybody can read."""
    try:
        parts = urlsplit(VARIABLE.sub("", url))
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.password:
        return f"({parts.scheme}) holds a password"
    by_path = any(host == known or host.endswith(f".{known}") for known in WITH_SECRET_PATHS)
    if (by_path or parts.scheme in WITH_SECRET_SCHEMES) and not VARIABLE.search(url):
        return f"({host if by_path else parts.scheme}) holds its token"
    return ""
