"""One entry of `notify`: its name, which holds no secret, and one try to send a notice through it."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from gonogo.base.extras import install_line
from gonogo.base.text import clean, keep_secret
from gonogo.config.notify import VARIABLE, is_url, keep_secrets
from gonogo.notify.notice import Notice
from gonogo.notify.services import request, without_picture

PASSING = (408, 425, 429, 500, 502, 503, 504)  # HTTP codes of a server that may take it later
PICTURE_REFUSED = (400, 413, 415)
SAID_CHARACTERS = 100


class NotTaken(Exception):
    """The reason, in words without secrets."""

    def __init__(self, reason: str, *, passing: bool = True) -> None:
        super().__init__(reason)
        self.passing = passing  # another try may help


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is sent elsewhere arrives as a GET: nothing would arrive."""

    def redirect_request(self, *anything: object) -> None:
        return None


def name_of(entry: str | Sequence[str]) -> str:
    """The host of a web address, the scheme of any other URL, the program of a command."""
    if not isinstance(entry, str):
        return clean(Path(entry[0]).name)
    if not is_url(entry):
        first = entry.split()[0] if entry.split() else ""
        return "a command" if "=" in first else clean(Path(first).name)
    if VARIABLE.fullmatch(entry):
        return entry
    scheme = entry.partition(":")[0]
    if scheme not in ("http", "https"):
        return scheme
    try:
        return clean(urlsplit(entry).hostname or scheme)
    except ValueError:
        return scheme


def send(entry: str | Sequence[str], told: Notice, seconds: float) -> None:
    """Tell it once.

    Args:
        seconds: that an answer, or the command, may take.

    Raises:
        NotTaken: it was not accepted, and why.
    """
    if not isinstance(entry, str) or not is_url(entry):
        return _command(entry, told, seconds)
    url = _expanded(entry)
    if not url.startswith(("http://", "https://")):
        return _through_apprise(url, told)
    try:
        return _posted(url, told, seconds)
    except urllib.error.HTTPError as error:
        if not told.picture or error.code not in PICTURE_REFUSED:
            raise _refused(error) from None
    try:
        return _posted(url, without_picture(told), seconds)
    except urllib.error.HTTPError as error:
        raise _refused(error) from None


def _expanded(url: str) -> str:
    """With the values of the variables that it names, which are shown nowhere from now on."""
    keep_secrets([url])
    for name in VARIABLE.findall(url):
        if not os.environ.get(name):
            raise NotTaken(f"{name} is not set in this shell: export it", passing=False)
    found = VARIABLE.sub(lambda named: os.environ[named[1]], url)
    keep_secret("notify", found)
    return found


def _refused(error: urllib.error.HTTPError) -> NotTaken:
    return NotTaken(f"answered {error.code} {clean(error.reason)[:SAID_CHARACTERS]}", passing=error.code in PASSING)


def _posted(url: str, told: Notice, seconds: float) -> None:
    """Raises HTTPError where the server's answer is not a good one."""
    try:
        with urllib.request.build_opener(_NoRedirects).open(request(url, told), timeout=seconds):
            return
    except urllib.error.HTTPError:
        raise
    except TimeoutError:
        raise NotTaken(f"did not answer within {seconds:g} s") from None
    except urllib.error.URLError as error:
        late = isinstance(error.reason, TimeoutError)
        why = f"did not answer within {seconds:g} s" if late else f"cannot be reached ({_said(error.reason)})"
        raise NotTaken(why) from None
    except (OSError, http.client.HTTPException) as error:
        raise NotTaken(f"did not take it ({_said(error)})") from None
    except ValueError:  # its message may quote the URL
        raise NotTaken("is not a URL that can be called", passing=False) from None


def _said(error: object) -> str:
    return clean(getattr(error, "strerror", None) or type(error).__name__)[:SAID_CHARACTERS]


def _through_apprise(url: str, told: Notice) -> None:
    try:
        import apprise
    except ImportError:
        raise NotTaken(
            f"is reached through apprise, which is not installed here: {install_line('notify')}", passing=False
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # what it logs may hold the URL
    robot = apprise.Apprise()
    if not robot.add(url):
        raise NotTaken("is not a URL that apprise knows, or it lacks a part", passing=False)
    kind = apprise.NotifyType.FAILURE if told.event in ("no_go", "alarm") else apprise.NotifyType.INFO
    if robot.notify(body=told.text, title=told.title, notify_type=kind, attach=told.picture or None):
        return
    if not (told.picture and robot.notify(body=told.text, title=told.title, notify_type=kind)):
        raise NotTaken("was not reached by apprise, or refused it")


def _command(entry: str | Sequence[str], told: Notice, seconds: float) -> None:
    """A list as it is, a string through `sh`; the notice is in its environment and, as JSON, its standard input."""
    words = ["sh", "-c", entry] if isinstance(entry, str) else list(entry)
    facts = {f"GONOGO_{key.upper()}": value for key, value in told.as_json().items()}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(json.dumps(told.as_json()).encode())
        given.seek(0)
        try:
            program = subprocess.Popen(
                words, stdin=given, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
                env={**os.environ, **facts},
            )  # fmt: skip
        except OSError as error:
            raise NotTaken(f"cannot be started ({_said(error)})", passing=False) from None
        try:
            code = program.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait(timeout=seconds)
            raise NotTaken(f"did not end within {seconds:g} s") from None
        if code:
            said.seek(0, os.SEEK_END)
            said.seek(max(0, said.tell() - 1000))
            lines = said.read().decode(errors="replace").strip().splitlines()
            last = f": {clean(lines[-1])[:SAID_CHARACTERS]}" if lines else ""
            raise NotTaken(f"ended with exit code {code}{last}")
