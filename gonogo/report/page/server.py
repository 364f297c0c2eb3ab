"""The pages of a results folder on loopback, rendered again when its files change. No address leads to a file."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from markupsafe import Markup

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.report.page.approval import FORM, MOST_BYTES, Approver, Forms
from gonogo.report.page.html import chain_page, overview_page
from gonogo.report.page.state import ChainState, all_states, chain_state, experiments, stamp

HOST = "127.0.0.1"
LOOK_EVERY_S = 0.5
KEEP_ALIVE_S = 15.0
MOST_ROWS = 100  # experiments on one page
MOST_FOLLOWERS = 32  # pages that are open at once; more are not kept up to date
FOLLOW = """
const opened = () => [...document.querySelectorAll("details[open] > summary")].map(it => it.textContent);
new EventSource("/events" + location.pathname).onmessage = async () => {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const made = new DOMParser().parseFromString(await answer.text(), "text/html");
  const open = opened(), now = document.getElementById("page"), next = made.getElementById("page");
  const at = document.activeElement?.name;
  for (const it of now.querySelectorAll("form input:not([type=hidden])")) {
    const same = next.querySelector(`form input[name=${it.name}]`);
    if (same) same.value = it.value;
  }
  for (const it of next.querySelectorAll("summary")) if (open.includes(it.textContent)) it.parentElement.open = true;
  now.replaceWith(next);
  if (at) next.querySelector(`form input[name=${at}]`)?.focus();
  document.title = made.title;
  window.sortRows?.();
};
"""
SORT = """
let sorted = null;
const key = row => row.cells[sorted.column].dataset.sort ?? row.cells[sorted.column].textContent;
const compared = (a, b) => (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b) * (sorted.down ? -1 : 1);
window.sortRows = () => {
  const table = document.querySelector("table.overview");
  if (!sorted || !table) return;
  const known = [...table.tBodies[0].rows].filter(row => key(row) !== "").sort((a, b) => compared(key(a), key(b)));
  table.tBodies[0].prepend(...known);
  table.querySelectorAll("th").forEach((head, column) =>
    head.ariaSort = column !== sorted.column ? "none" : sorted.down ? "descending" : "ascending");
};
document.addEventListener("click", event => {
  const head = event.target.closest("th button")?.parentElement;
  if (!head) return;
  sorted = {column: head.cellIndex, down: sorted?.column === head.cellIndex && !sorted.down};
  sortRows();
});
"""


class PageServer(ThreadingHTTPServer):
    """Serves one results folder on loopback; `server_port` says where.

    Args:
        port: 0: any that is free.
        command: what to run now, by state.
        approver: lets people approve samples on the pages; None: nothing can be changed through them.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, results: Path, port: int, command: Callable[[ChainState], str], approver: Approver | None = None
    ) -> None:
        self.results, self.command, self.followers = results, command, 0
        self.forms = Forms(approver) if approver else None
        super().__init__((HOST, port), _Answer)

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""


class _Answer(BaseHTTPRequestHandler):
    server: PageServer
    server_version, sys_version = "gonogo", ""
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        if not self._asked_here():
            self._send(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "ask 127.0.0.1")
            return
        path = unquote(urlsplit(self.path).path)
        follows = path == "/events" or path.startswith("/events/")
        name = path.removeprefix("/events").strip("/")
        if name and name not in experiments(self.server.results):
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "no such experiment")
        elif follows:
            self._follow(name)
        else:
            nonce = secrets.token_urlsafe(16)
            try:
                page = self._page(name, nonce)
            except Exception as error:  # files that are half written, damaged, or of another version
                said = f"this page cannot be made now: {clean(f'{type(error).__name__}: {error}')}"
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", said)
                return
            self._send(HTTPStatus.OK, "text/html", page, nonce)

    def _asked_here(self) -> bool:
        """Another host's name for this address is how a strange page would read this one."""
        names = [f"{name}:{self.server.server_port}" for name in (HOST, "localhost")]
        return self.headers.get("Host", "") in names

    def do_POST(self) -> None:
        """An approval, from a form of this server and from no other page."""
        self.close_connection = True  # what of the body is not read is no next request
        name = unquote(urlsplit(self.path).path).removeprefix("/approve/")
        length = self.headers.get("Content-Length", "")
        here = self._asked_here() and self.headers.get("Origin", "") == f"http://{self.headers['Host']}"
        if not here or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            self._send(HTTPStatus.FORBIDDEN, "text/plain", "only this server's own pages may send an approval")
        elif self.server.forms is None or name not in experiments(self.server.results):
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "no such experiment")
        elif self.headers.get_content_type() != FORM or not length.isdecimal() or int(length) > MOST_BYTES:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain", "not an answer of the form")
        else:
            try:
                self.server.forms.answer(name, self.rfile.read(int(length)))
            except PermissionError:
                said = "this form is of an earlier sample or server: load the page again"
                self._send(HTTPStatus.FORBIDDEN, "text/plain", said)
            except (UserError, OSError, ValueError) as error:
                self._send(HTTPStatus.CONFLICT, "text/plain", f"not approved: {clean(error)}")
            else:
                self.send_response(HTTPStatus.SEE_OTHER)
                self.send_header("Location", f"/{quote(name)}")
                self.send_header("Content-Length", "0")
                self._guard()
                self.end_headers()

    def _page(self, name: str, nonce: str) -> str:
        script = Markup('<script nonce="{}">{}{}</script>').format(nonce, Markup("" if name else SORT), Markup(FOLLOW))
        if not name:
            shown = all_states(self.server.results, MOST_ROWS)
            return overview_page(shown, len(experiments(self.server.results)), script)
        state = chain_state(self.server.results, name)
        judged = any(
            light.gate.path == "quality/sample" and light.verdict and not light.running for light in state.lights
        )
        form = self.server.forms.form(name) if self.server.forms and judged else None
        return chain_page(state, self.server.command(state), back=True, script=script, approval=form)

    def _send(self, status: HTTPStatus, kind: str, text: str, nonce: str = "") -> None:
        data = text.encode(errors="replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self._guard(nonce)
        self.end_headers()
        self.wfile.write(data)

    def _guard(self, nonce: str = "") -> None:
        """Nothing but what the page holds, nor a frame of another page around it."""
        script = f"script-src 'nonce-{nonce}'; " if nonce else ""
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; {script}style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        )
        for header, value in (
            ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"), ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ):  # fmt: skip
            self.send_header(header, value)

    def _follow(self, name: str) -> None:
        """One event whenever the page may have changed, until the browser goes away."""
        if self.server.followers >= MOST_FOLLOWERS:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", "too many pages are open")
            return
        self.server.followers += 1
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self._guard()
            self.end_headers()
            self._tell_changes(name)
        except OSError:
            pass  # it went away
        finally:
            self.server.followers -= 1
            self.close_connection = True

    def _tell_changes(self, name: str) -> None:
        last, told = stamp(self.server.results, name), time.monotonic()
        while True:
            time.sleep(LOOK_EVERY_S)
            now = stamp(self.server.results, name)
            if now != last:
                self._event(f"data: {now}\n\n")
                last, told = now, time.monotonic()
            elif time.monotonic() - told > KEEP_ALIVE_S:
                self._event(": \n\n")
                told = time.monotonic()

    def _event(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
