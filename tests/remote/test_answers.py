"""Whatever a machine answers: one sentence without escapes, and no path of its making."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote.agent_archive import NAME
from gonogo.remote.answers import Exit, Heartbeat, Launched, Released, read
from gonogo.remote.follow import follow
from gonogo.remote.machine import Machine
from gonogo.report.exit_causes import why
from gonogo.stages.remote_run import attached_to

EXIT: dict[str, Any] = {
    "cause": "failed", "code": 1, "signal": None, "started_at": 1.0, "ended_at": 2.0, "elapsed_s": 1, "usd": 0.1,
    "attempts": [{"cause": "failed", "code": 1, "signal": None, "rung": 0, "cpu": False}],
}  # fmt: skip
ESCAPES = "\x1b]52;c;cm0gLXJm\x07\x1b[2J"


def test_what_the_agent_says_is_read() -> None:
    ended = read(Exit, EXIT, "box")
    assert (ended.cause, ended.cause_said, ended.attempts[0].cause) == ("failed", "", "failed")
    assert why(ended) == "it ended with an error of its own (exit code 1)."


@pytest.mark.parametrize("cause", ["x/../../../psutil", "", None, ["oom"], {}, f"oom{ESCAPES}", "a" * 9000])
def test_an_unknown_cause_is_shown_cleaned_and_is_never_used(cause: Any) -> None:
    ended = read(Exit, json.dumps({**EXIT, "cause": cause, "cause_said": ESCAPES}).encode(), "box")
    assert ended.cause == "unknown"
    assert "\x1b" not in why(ended) and len(why(ended)) < 200
    assert why(ended).startswith("it ended in a way that gonogo does not know")


HOSTILE = {
    "no exit": '{"exit": null}',
    "nothing": "{}",
    "not json": "{ exit",
    "deep": '{"exit": ' + "[" * 5000 + "]" * 5000 + "}",
    "no time": json.dumps({"exit": {**EXIT, "elapsed_s": None}}),
    "NaN": json.dumps({"exit": {**EXIT, "elapsed_s": float("nan")}}),
    "infinite": json.dumps({"exit": {**EXIT, "usd": float("inf")}}),
    "huge": '{"exit": {"cause": "oom", "elapsed_s": 1' + "0" * 5000 + "}}",
    "negative": json.dumps({"exit": {**EXIT, "elapsed_s": -1}}),
    "words": json.dumps({"exit": {**EXIT, "elapsed_s": f"1{ESCAPES}"}}),
    "attempts": json.dumps({"exit": {**EXIT, "attempts": "many"}}),
    "endless": json.dumps({"exit": {**EXIT, "attempts": EXIT["attempts"] * 1001}}),
    "state": json.dumps({"state": f"lost{ESCAPES}"}),
    "heartbeat": json.dumps({"heartbeat": {"usd": "much"}}),
}


@pytest.mark.parametrize("line", HOSTILE.values(), ids=HOSTILE)
def test_a_line_that_is_not_the_agents_ends_the_watching_in_words(
    machine: Machine, ssh: Ssh, target: Target, root_there: Path, line: str
) -> None:
    (root_there / NAME).write_text(f"import sys, time\nprint({line!r}, flush=True)\nsys.stdin.read(1)")
    with pytest.raises(UserError, match="which is not an answer of gonogo's agent") as told:
        follow(ssh, target, "ws/runs/r", print, print, patience_s=0)
    said = str(told.value)
    assert said.isprintable() and len(said) < 600


def test_a_gauge_that_cannot_be_read_ends_nothing() -> None:
    assert read(Heartbeat, {"usd": 1, "gpu": {"used_bytes": "all"}}, "box") == Heartbeat(usd=1.0)


def test_what_the_release_command_said_is_cleaned() -> None:
    assert read(Released, {"code": 7, "tries": 3, "said": f"no{ESCAPES} quota"}, "box").said == "no quota"


@pytest.mark.parametrize(
    "run_dir",
    [
        "cvs/runs/../../../psutil",
        "cvs/runs/20260101-000000_fast_abcdef/../x",
        "other/runs/20260101-000000_fast_abcdef",
        "cvs/runs/20260101-000000_canary_abcdef",
        "cvs/runs/20260101-000000_fast_abcdef\n",
        "cvs/runs/٢0260101-000000_fast_abcdef",
        "cvs/runs/",
        "",
    ],
)
def test_only_a_run_of_ours_is_attached_to(run_dir: str) -> None:
    ours = Launched(state="already", run_dir="cvs/runs/20260101-000000_fast_abcdef", key="abcdef12")
    assert attached_to(ours, "cvs/runs", "fast", "abcdef12") == ours.run_dir
    with pytest.raises(UserError, match="is not a folder of a run of ours"):
        attached_to(ours.model_copy(update={"run_dir": run_dir}), "cvs/runs", "fast", "abcdef12")
