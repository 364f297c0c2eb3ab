"""Tries, their bounds, and what is left on record."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from gonogo.notify import deliver as module
from gonogo.notify.deliver import deliver, deliver_all
from gonogo.notify.notice import notice
from gonogo.notify.told import RECORD, problems, tell
from tests.notify.receiver import HANG, Receiver, receiver
from tests.waiting import LIMIT_S, wait_for

__all__ = ["receiver"]

TOLD = notice("no_go", "NO-GO quality", "It is dark.")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES_S", (0.05, 0.05))


def test_a_server_that_fails_twice_is_asked_a_third_time(receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    assert deliver(receiver.url, TOLD) == "" and len(receiver.told) == 3


def test_one_that_fails_for_good_is_given_up(receiver: Receiver) -> None:
    receiver.answers = [500] * 9
    assert deliver(receiver.url, TOLD) == "answered 500 Internal Server Error (3 tries)" and len(receiver.told) == 3


def test_what_no_other_try_changes_is_tried_once(receiver: Receiver) -> None:
    receiver.answers = [403]
    assert deliver(receiver.url, TOLD) == "answered 403 Forbidden" and len(receiver.told) == 1
    receiver.answers = [302]
    assert deliver(receiver.url, TOLD).startswith("answered 302") and len(receiver.told) == 2


def test_one_that_hangs_keeps_nobody_waiting(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.3)
    receiver.answers = [HANG] * 9
    assert deliver(receiver.url, TOLD) == "did not answer within 0.3 s (3 tries)"
    monkeypatch.setattr(module, "ANSWER_S", 60.0)
    monkeypatch.setattr(module, "AT_MOST_S", 0.5)
    began = time.monotonic()
    outcome = dict(deliver_all([receiver.url, ["true"]], TOLD))
    assert outcome == {"127.0.0.1": "did not answer within 0.5 s", "true": ""}
    assert time.monotonic() - began < 30


def test_a_host_that_is_not_there_is_named(receiver: Receiver) -> None:
    assert "cannot be reached" in deliver("http://127.0.0.1:9/s3cret", TOLD)
    assert deliver("http://[nowhere/s3cret", TOLD) == "is not a URL that can be called"


def sent(results: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (results / RECORD).read_text().splitlines()]
    return [line for line in lines if "outcome" in line]


def test_an_event_is_told_once_by_a_process_of_its_own(receiver: Receiver, tmp_path: Path) -> None:
    for session in ("one", "one", "two"):
        tell([receiver.url], TOLD, key="k", results=tmp_path / "results", root=tmp_path, session=session)
    wait_for(lambda: sent(tmp_path / "results"), LIMIT_S)
    tell([receiver.url], TOLD, key="other", results=tmp_path / "results", root=tmp_path, session="two")
    wait_for(lambda: len(sent(tmp_path / "results")) == 2, LIMIT_S)
    assert len(receiver.told) == 2 and problems(tmp_path / "results", "two", LIMIT_S) == []


def test_what_nobody_took_is_said_and_told_again(receiver: Receiver, tmp_path: Path) -> None:
    receiver.answers = [404]
    tell([f"{receiver.url}/s3cret"], TOLD, key="k", results=tmp_path, root=tmp_path, session="one")
    (said,) = problems(tmp_path, "one", LIMIT_S)
    assert said == "notify: 127.0.0.1 did not get 'NO-GO quality': it answered 404 Not Found"
    assert problems(tmp_path, "two", 0) == []
    tell([f"{receiver.url}/s3cret"], TOLD, key="k", results=tmp_path, root=tmp_path, session="two")
    wait_for(lambda: len(sent(tmp_path)) == 2, LIMIT_S)
    assert len(receiver.told) == 2 and "s3cret" not in (tmp_path / RECORD).read_text()


def test_nothing_that_is_wrong_here_is_raised(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tell([receiver.url], TOLD, key="k", results=tmp_path / "file", root=tmp_path, session="one")
    wait_for(lambda: receiver.told, LIMIT_S, "a folder that cannot be written keeps nothing from being told")
    tell([receiver.url], TOLD, key="k", results=tmp_path, root=tmp_path / "nowhere", session="one")
