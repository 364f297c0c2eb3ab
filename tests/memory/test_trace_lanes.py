"""Each in a process of its own that has no threads yet: it forks, as a plan search does when it begins."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT
from tests.waiting import LIMIT_S

BEGIN = """
import os
from gonogo.config.experiment import Training
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.trace_lanes import TraceLanes

HERE, PLAN = os.getpid(), Training(micro_batch_size=2, accumulate_grad_batches=1)

def by(training, options, plain):
    if options.get("dies") and os.getpid() != HERE:
        os._exit(1)
    who = "here" if os.getpid() == HERE else "elsewhere"
    return MemoryEstimate(
        micro_batch_size=training.micro_batch_size, accumulate_grad_batches=1, precision="32-true",
        error=who, parameters=len(options) + plain,
    )

def ask(lanes, options, plain=False):
    found = lanes.result(PLAN, options, plain)
    print(found.error, found.parameters)
"""


def said(program: str) -> list[str]:
    words = [sys.executable, "-c", BEGIN + program]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_was_begun_is_computed_in_another_process_and_the_rest_here() -> None:
    program = """
lanes = TraceLanes(by, 1)
lanes.begin(PLAN, {"a": 1})
while not all(future.running() or future.done() for future in lanes.begun.values()):
    pass
ask(lanes, {"b": 1, "c": 2})
ask(lanes, {"a": 1})
ask(lanes, {"a": 1}, plain=True)
"""
    assert said(program) == ["here 2", "elsewhere 1", "here 2"]


def test_a_process_that_dies_costs_time_and_no_answer() -> None:
    program = """
lanes = TraceLanes(by, 1)
lanes.begin(PLAN, {"dies": True})
ask(lanes, {"dies": True})
lanes.begin(PLAN, {"a": 1})
ask(lanes, {"a": 1})
"""
    answers = said(program)
    assert answers[0] == "here 1" and answers[1].endswith(" 1")


def test_without_lanes_all_is_computed_here() -> None:
    program = """
lanes = TraceLanes(by, 0)
lanes.begin(PLAN, {"a": 1})
ask(lanes, {"a": 1})
"""
    assert said(program) == ["here 1"]
