"""What a person is told of a chain, on a real web server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.gates import registry
from gonogo.measurements import now
from gonogo.notify.told import RECORD
from gonogo.runtime.context import Run
from gonogo.stages.halt import halt
from gonogo.stages.tell import alarm, launched, not_told, reported
from gonogo.verdict import Check, Status, Verdict, decide
from tests.notify.receiver import Receiver, receiver
from tests.stages.conftest import Files
from tests.stages.test_cloud_train import exit_of, train
from tests.waiting import LIMIT_S, wait_for

__all__ = ["receiver", "train"]


def verdict(gate: str, *checks: Check, digest: str = "d") -> Verdict:
    return decide(checks, gate=gate, experiment="mine", mode="mine", measured_at=now(), inputs_digest=digest)


def failed(id_: str, why: str, hint: str = "") -> Check:
    return Check(id=id_, title="A thing", value=1, status=Status.NO_GO, why=why, hint=hint)


def stop(run: Run, found: Verdict) -> None:
    file = run.paths.experiment / "mine" / found.gate / "verdict.json"
    found.write(file)
    with pytest.raises(SystemExit):
        halt(run, Files(verdict=file), Files())


def said(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """That many notices, and no more."""
    wait_for(lambda: len(receiver.told) >= count, LIMIT_S)
    assert len(receiver.told) == count
    return [json.loads(told.body) for told in receiver.told]


def settled(run: Run, count: int) -> None:
    record = run.config.results_dir / RECORD
    wait_for(lambda: record.exists() and record.read_text().count('"outcome"') == count, LIMIT_S)


@pytest.fixture
def run(stage_run: Callable[..., Run], receiver: Receiver) -> Run:
    return stage_run("halt", notify=receiver.url)


def test_a_no_go_is_told_once_and_again_when_it_is_another_one(run: Run, receiver: Receiver) -> None:
    stop(run, verdict("memory", failed("peak", "the card is too small", "Take a smaller batch")))
    settled(run, 1)
    stop(run, verdict("memory", failed("peak", "the card is too small", "Take a smaller batch")))
    stop(run, verdict("memory", failed("peak", "the card is too small"), failed("room", "no room"), digest="d"))
    settled(run, 2)
    first, second = said(receiver, 2)
    assert (first["event"], first["title"]) == ("no_go", "🔴 NO-GO memory · mine · mine")
    assert first["sentence"] == "the card is too small." and first["hint"] == "Take a smaller batch"
    assert second["event"] == "no_go"


def test_an_approval_that_alone_is_missing_is_asked_for(run: Run, receiver: Receiver) -> None:
    hint = "Open the contact sheet, then: gonogo approve mine --by YOUR_NAME"
    stop(run, verdict("launch", failed("approval", "nobody has signed off the sample", hint)))
    (told,) = said(receiver, 1)
    assert told["event"] == "approval" and "approval wanted" in told["title"]
    assert "gonogo approve mine --by YOUR_NAME" in told["hint"]


def test_a_launch_is_told_once_and_each_resumption(run: Run, receiver: Receiver) -> None:
    run.settings.target.usd_per_hour = 2.0
    launched(run, "20260101_mine_abc")
    launched(run, "20260101_mine_abc")
    launched(run, "20260101_mine_abc", again=True)
    settled(run, 2)
    sentences = sorted(told["sentence"] for told in said(receiver, 2))
    assert "was resumed on local" in sentences[0] and "was started on local, at $2.00 an hour" in sentences[1]
    assert "it ends by $20.00 or" in sentences[1]


def test_the_end_of_a_run_is_told_whatever_it_was(train: Any, receiver: Receiver) -> None:
    train.run.config.notify.append(receiver.url)
    train(exit_of("finished"))
    with pytest.raises(UserError):
        train(exit_of("killed"))
    settled(train.run, 2)
    sentences = {told["title"].split(" · ")[0]: told["sentence"] for told in said(receiver, 2)}
    assert sentences["🏁 trained"] == "The paid run r finished after 1 h and $2.00."
    assert "was killed by another process after 1 h and $2.00" in sentences["🔴 the run ended"]


def test_the_chain_s_end_has_its_verdict_and_its_page(run: Run, receiver: Receiver) -> None:
    good = Check(id="skill", title="Skill", value=0.5, status=Status.GO)
    reported(run, verdict("results", good), Path("results/mine/report.html"))
    (told,) = said(receiver, 1)
    assert told["title"] == "🟢 GO mine · mine: the chain is at its end" and "report.html" in told["hint"]
    assert told["sentence"] == "its check passes."


def test_an_alarm_says_which_target_may_bill_on(run: Run, receiver: Receiver) -> None:
    alarm(run.settings, "ALARM: box MAY NOT BE RELEASED \x1b[2J")
    (told,) = said(receiver, 1)
    assert told["event"] == "alarm" and "target local may bill on" in told["title"] and "\x1b" not in told["sentence"]


def test_one_that_cannot_be_told_ends_in_a_line_and_nothing_else(
    stage_run: Callable[..., Run], receiver: Receiver
) -> None:
    receiver.answers = [404]
    run = stage_run("halt", notify=[["false"], f"{receiver.url}/s3cret-of-mine", "mailto://x"])
    run.config.notify[:1] = [["/nowhere/at/all"]]
    stop(run, verdict("memory", failed("peak", "the card is too small")))
    settled(run, 1)
    lines = not_told(run.settings)
    assert len(lines) == 3 and all("did not get '🔴 NO-GO memory · mine · mine'" in line for line in lines)
    assert "all did not get" in lines[0] and "127.0.0.1" in lines[1] and "s3cret" not in "".join(lines)


def test_without_anybody_to_tell_nothing_is_written(stage_run: Callable[..., Run]) -> None:
    run = stage_run("halt")
    stop(run, verdict("memory", failed("peak", "the card is too small")))
    assert not (run.config.results_dir / RECORD).exists() and not_told(run.settings) == []


def test_the_picture_is_what_the_gate_shows(stage_run: Callable[..., Run], tmp_path: Path) -> None:
    run = stage_run("halt", notify=f'printf %s "$GONOGO_PICTURE" > {tmp_path}/picture.txt')
    gate = registry.gate("results").name
    sheet = run.paths.experiment / "mine" / gate / "contact_sheet.png"
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(b"png")
    stop(run, verdict(gate, failed("skill", "none")))
    settled(run, 1)
    assert (tmp_path / "picture.txt").read_text() == str(sheet.resolve())
