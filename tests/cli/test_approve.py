"""An approval from where one looks: the terminal draws the contact sheet, the served page has a button."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gonogo.cli.main import main
from gonogo.cli.serve import approver
from gonogo.gates.launch import Approval
from gonogo.report.page.server import HOST, PageServer
from gonogo.stages.freshness import data_digest
from gonogo.verdict import Check, Status, Verdict
from tests.report.page.browser import browser, faults
from tests.report.page.chains import chain
from tests.waiting import LIMIT_S

__all__ = ["browser"]
ASKED = Check(
    id="approval", title="A person looked at the sample", threshold="required", status=Status.NO_GO,
    why="nobody has signed off the sample", hint="Open the contact sheet, then: gonogo approve",
)  # fmt: skip
SIXEL, NEITHER = b"\x1b[?62;4c", b"\x1b[?62;22c"  # what a terminal says of itself
KITTY = b"\x1b[?62c" + b"\x1b_Gi=1;OK\x1b\\"
Answer = tuple[int, str, Mapping[str, str]]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Of a chain that waits for a person to approve its sample."""
    folder = chain(tmp_path / "results", "launch")
    verdict = Verdict.read(folder / "verdict.json")
    verdict.model_copy(update={"checks": [ASKED]}).write(folder / "verdict.json")
    (tmp_path / "results/mine/sample/shard_0").mkdir(parents=True)
    (tmp_path / "results/mine/sample/shard_0/a.png").write_text("a picture")
    return tmp_path / "results"


def recorded(results: Path) -> Approval | None:
    file = results / "mine/approval.json"
    return Approval.model_validate_json(file.read_text()) if file.exists() else None


def in_a_terminal(results: Path, *words: str, graphics: bytes, types: bytes) -> tuple[bytes, int]:
    """What `gonogo approve` says in a terminal that answers what it can with `graphics`; its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 1000, 800))
    command = [sys.executable, "-m", "gonogo", "approve", "mine", "--results", str(results), *words]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    said, answered, drawn, deadline = b"", False, False, time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 0.2)
        try:
            said += os.read(ours, 65536) if ready else b""
        except OSError:  # the other side has no more to say
            break
        if b"\x1b[c" in said and not answered:
            answered = True
            os.write(ours, graphics)
        if b"\x1b_G" in said and KITTY.startswith(graphics) and not drawn:
            drawn = True
            os.write(ours, KITTY[len(graphics) :])
        if b"Your name, or nothing: " in said and types:
            os.write(ours, types)
            types = b""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(LIMIT_S)
    child.kill()
    os.close(ours)
    return said, child.returncode


def test_a_terminal_with_sixels_draws_the_sheet_and_asks_who_looked(results: Path) -> None:
    pytest.importorskip("textual_image", reason="textual-image is not installed")
    said, code = in_a_terminal(results, graphics=SIXEL, types=b"Ada L.\n")
    assert code == 0 and re.search(rb"\x1bP[\d;]*q.{1000,}\x1b\\", said, re.S)
    assert b"quality/sample/contact_sheet.png" in said and b"approved: mine, by Ada L." in said
    given = recorded(results)
    assert given and given.by == "Ada L." and given.inputs_digest == data_digest([results / "mine/sample"])


def test_kitty_draws_the_sheet_by_its_own_protocol(results: Path) -> None:
    pytest.importorskip("textual_image", reason="textual-image is not installed")
    said, code = in_a_terminal(results, "--by", "Ada", graphics=KITTY[:6], types=b"")
    assert code == 0 and len(re.findall(rb"\x1b_G[^;]*m=[01][^;]*;[A-Za-z0-9+/=]+\x1b\\", said)) >= 1
    assert b"all of it: " in said and recorded(results)


def test_any_other_terminal_shows_the_path_and_no_name_is_no_approval(results: Path) -> None:
    said, code = in_a_terminal(results, graphics=NEITHER, types=b"\n")
    assert code == 1 and b"the contact sheet: " in said and b"not approved" in said and b"\x1bP" not in said
    assert recorded(results) is None


def test_without_a_terminal_the_name_is_an_option(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["approve", "mine", "--results", str(results), "--by", "  "]) == 1
    assert "needs a name" in capsys.readouterr().err and recorded(results) is None
    assert main(["approve", "mine", "--results", str(results), "--by", "Ada\x1b[2J", "--note", "fine"]) == 0
    said = capsys.readouterr().out
    assert "contact_sheet.png" in said and "approved: mine, by Ada" in said and "\x1b" not in said


@pytest.fixture
def server(results: Path) -> Iterator[PageServer]:
    server = PageServer(results, 0, lambda state: "again", approver(results))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server: PageServer, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=LIMIT_S)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    return answer.status, said, dict(answer.headers)


def form_of(server: PageServer) -> dict[str, str]:
    page = ask(server, "GET", "/mine")[1]
    return dict(re.findall(r'name="(token|digest)" value="([^"]+)"', page))


def send(server: PageServer, fields: Mapping[str, str], path: str = "/approve/mine", **headers: str) -> Answer:
    own = {"Origin": server.address.rstrip("/"), "Content_Type": "application/x-www-form-urlencoded"}
    return ask(server, "POST", path, urlencode(fields).encode(), **{**own, **headers})


def test_the_button_writes_the_record_that_the_command_writes(
    server: PageServer, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["approve", "mine", "--results", str(results), "--by", "Ada", "--note", "all fine"]) == 0
    by_command = recorded(results)
    (results / "mine/approval.json").unlink()
    status, _, headers = send(server, {**form_of(server), "by": "Ada", "note": "all fine"})
    assert status == 303 and headers["Location"] == "/mine"
    by_page = recorded(results)
    assert by_command and by_page
    assert by_page.model_dump(exclude={"approved_at"}) == by_command.model_dump(exclude={"approved_at"})
    page = ask(server, "GET", "/mine")[1]
    assert "The sample is approved: Ada, " in page and "<form" not in page


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"token": ""}, {}),
        ({"token": "0" * 64}, {}),
        ({"digest": "1" * 64}, {}),
        ({}, {"Origin": "http://evil.example"}),
        ({}, {"Origin": "null"}),
        ({}, {"Origin": ""}),
        ({}, {"Host": "evil.example"}),
        ({}, {"Sec_Fetch_Site": "cross-site"}),
    ],
)  # fmt: skip
def test_what_no_form_of_this_server_sent_approves_nothing(
    change: dict[str, str], headers: dict[str, str], server: PageServer, results: Path
) -> None:
    status, _, _ = send(server, {**form_of(server), "by": "Eve", **change}, **headers)
    assert status == 403 and recorded(results) is None


def test_another_way_to_send_it_approves_nothing(server: PageServer, results: Path) -> None:
    fields = {**form_of(server), "by": "Eve"}
    assert send(server, fields, Content_Type="text/plain")[0] == 400
    assert send(server, {**fields, "note": "x" * 20_000})[0] == 400
    for path in ("/approve/other", "/approve/../mine", "/mine", "/"):
        assert send(server, fields, path)[0] in (403, 404), path
    assert ask(server, "GET", f"/approve/mine?{urlencode(fields)}")[0] == 404
    assert send(server, {**fields, "by": "  "})[0] == 409 and recorded(results) is None


def test_a_form_of_an_earlier_sample_or_server_counts_no_more(server: PageServer, results: Path) -> None:
    fields = {**form_of(server), "by": "Ada"}
    (results / "mine/sample/shard_0/a.png").write_text("another picture")
    status, said, _ = send(server, fields)
    assert status == 409 and "has changed since it was shown" in said and recorded(results) is None
    again = PageServer(results, 0, lambda state: "again", approver(results))
    threading.Thread(target=again.serve_forever, args=(0.01,), daemon=True).start()
    assert send(again, {**form_of(server), "by": "Ada"})[0] == 403 and recorded(results) is None
    again.shutdown()
    again.server_close()


def test_a_file_of_the_page_has_no_form(results: Path) -> None:
    from gonogo.report.page.html import chain_page
    from gonogo.report.page.state import chain_state

    assert "<form" not in chain_page(chain_state(results, "mine"), "again")


@pytest.mark.slow
def test_in_a_browser_the_button_approves_and_what_is_typed_survives_an_update(
    browser, server: PageServer, results: Path
) -> None:
    assert faults(browser, server.address + "mine") == []
    page = browser.new_page()
    page.set_default_timeout(1000 * LIMIT_S)
    page.goto(server.address + "mine")
    page.get_by_label("Your name").fill("Ada L.")
    time.sleep(1)
    marked = page.evaluate_handle("document.getElementById('page')")
    (results / "mine/logs").mkdir()
    (results / "mine/logs/sample_0.log").write_text("news\n")
    page.wait_for_function("before => document.getElementById('page') !== before", arg=marked)
    assert page.get_by_label("Your name").input_value() == "Ada L."
    page.get_by_role("button", name="Approve the sample").click()
    page.get_by_text("The sample is approved: Ada L.").wait_for()
    page.close()
    given = recorded(results)
    assert given and given.by == "Ada L."
