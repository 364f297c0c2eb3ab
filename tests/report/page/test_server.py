"""The served pages: on loopback, kept up to date, no address leads to a file."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.report.page.server import HOST, PageServer
from gonogo.runtime import ledger
from tests.report.page.browser import browser, faults
from tests.report.page.chains import chain, row
from tests.waiting import LIMIT_S

__all__ = ["browser"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    chain(tmp_path / "results", "learning")
    chain(tmp_path / "results", experiment="<b>other")
    server = PageServer(tmp_path / "results", 0, lambda state: f"again {state.experiment}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server: PageServer, path: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=LIMIT_S)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_all_experiments_are_rows_and_each_has_its_page(server: PageServer) -> None:
    status, overview, headers = ask(server, "/")
    assert status == 200 and "2 experiments" in overview and 'href="/mine"' in overview
    assert "&lt;b&gt;other" in overview and "<b>other" not in overview and 'href="/%3Cb%3Eother"' in overview
    assert "NO-GO" in overview and "learning: NO-GO, memory: not reached" in overview
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, page, _ = ask(server, "/mine")
    assert status == 200 and "Point the cameras at the scene." in page and "again mine" in page
    assert ask(server, "/%3Cb%3Eother")[0] == 200
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.slow
def test_the_rows_are_sorted_by_a_click_also_after_an_update(browser, server: PageServer, tmp_path: Path) -> None:
    assert faults(browser, server.address, first_screen=False) == []
    page = browser.new_page()
    page.set_default_timeout(1000 * LIMIT_S)
    page.goto(server.address)

    def column(number: int) -> list[str]:
        return page.locator(f"tbody td:nth-child({number})").all_inner_texts()

    page.get_by_role("button", name="Verdict").click()
    assert column(1) == ["GO", "NO-GO"]
    page.get_by_role("button", name="Verdict").click()
    assert column(1) == ["NO-GO", "GO"] and page.locator("th[aria-sort=descending]").count() == 1
    page.get_by_role("button", name="Money").click()
    time.sleep(1)
    ledger.add(tmp_path / "results/ledger.sqlite", row("<b>other", "canary", usd=5.0))
    page.get_by_text("$5.00").wait_for()
    assert column(7) == ["$0.00", "$5.00"]
    page.get_by_role("button", name="Result").click()
    assert column(5) == ["Expected skill: 0.93", ""], "a run without a result stands last"
    page.get_by_role("button", name="Result").click()
    assert column(5) == ["Expected skill: 0.93", ""]
    page.get_by_role("link", name="other").click()
    page.get_by_text("All experiments").wait_for()
    page.close()


def test_of_very_many_experiments_the_last_are_listed(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.report.page.server.MOST_ROWS", 1)
    _, overview, _ = ask(server, "/")
    assert overview.count('class="dots"') == 1 and "2 experiments" in overview and "The 1 that ran last" in overview


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/mine/../../secret.txt", "/mine/learning/verdict.json", "/..",
             "/ledger.sqlite", "//etc/passwd", "/%2Fetc%2Fpasswd", "/events/..", "/mine%00", "/link"],
)  # fmt: skip
def test_no_address_leads_to_a_file(path: str, server: PageServer, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    (tmp_path / "elsewhere/logs").mkdir(parents=True)
    (tmp_path / "results/link").symlink_to(tmp_path / "elsewhere")
    status, said, _ = ask(server, path)
    assert status == 404 and "secret" not in said


def test_links_out_of_the_results_are_not_followed(server: PageServer, tmp_path: Path) -> None:
    folder = tmp_path / "results/mine"
    (tmp_path / "secret.txt").write_text("a secret")
    (folder / "learning/negative_result.md").symlink_to(tmp_path / "secret.txt")
    (folder / "logs").mkdir()
    (folder / "logs/smoke_train.log").symlink_to(tmp_path / "secret.txt")
    ledger.begin(tmp_path / "results/ledger.sqlite", row("mine", "smoke_train", outcome=ledger.RUNNING))
    assert "a secret" not in ask(server, "/mine")[1]


def test_a_strange_page_that_asks_by_another_name_gets_nothing(server: PageServer) -> None:
    status, said, _ = ask(server, "/mine", Host="evil.example:80")
    assert status == 421 and "cameras" not in said


def test_a_page_that_cannot_be_made_says_why(server: PageServer, tmp_path: Path) -> None:
    (tmp_path / "results/ledger.sqlite").write_bytes(b"no ledger " * 1000)
    for path in ("/", "/mine"):
        status, said, _ = ask(server, path)
        assert status == 500 and said.startswith("this page cannot be made now: ")


def test_a_change_is_told_to_an_open_page(server: PageServer, tmp_path: Path) -> None:
    connection = http.client.HTTPConnection(HOST, server.server_port, timeout=LIMIT_S)
    connection.request("GET", "/events/mine")
    answer = connection.getresponse()
    deadline = time.monotonic() + LIMIT_S
    told: list[bytes] = []

    def listen() -> None:
        while time.monotonic() < deadline and not told:
            line = answer.readline()
            if line.startswith(b"data: "):
                told.append(line)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    while listener.is_alive() and time.monotonic() < deadline:
        ledger.add(tmp_path / "results/ledger.sqlite", row("mine", "memory"))
        listener.join(0.7)
    assert told


@pytest.mark.slow
def test_an_open_page_shows_what_has_changed_and_keeps_open_what_was_opened(
    browser, server: PageServer, tmp_path: Path
) -> None:
    assert faults(browser, server.address + "mine") == []
    shown = browser.new_page()
    shown.set_default_timeout(1000 * LIMIT_S)
    shown.goto(server.address + "mine")
    shown.locator("summary", has_text="Versions").click()
    time.sleep(1)
    ledger.begin(tmp_path / "results/ledger.sqlite", row("mine", "smoke_train", outcome=ledger.RUNNING))
    shown.locator(".word", has_text="RUNNING").wait_for()
    assert shown.locator("details[open] > summary", has_text="Versions").count() == 1
    shown.close()
