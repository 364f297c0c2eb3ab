"""A verdict as JUnit XML."""

from __future__ import annotations

import datetime as dt
from xml.etree import ElementTree as ET

from gonogo.report.junit import to_junit
from gonogo.verdict import Check, Status, decide


def test_each_check_is_a_case_and_only_what_does_not_pass_fails() -> None:
    checks = [
        Check(
            id="dark", title="Brightness", value=0.02, threshold=">= 0.1", status=Status.NO_GO, why="black", hint="look"
        ),
        Check(id="size", title="Size", status=Status.UNKNOWN, why="not measured"),
        Check(id="noise", title="Noise", value=1, status=Status.CAUTION, why="a little"),
        Check(id="copies", title="Copies \x00<&>\x1b[31m", value=0, status=Status.GO),
    ]
    verdict = decide(checks, gate="quality", experiment="data/", measured_at=dt.datetime.now(dt.UTC), inputs_digest="")
    suite = ET.fromstring(to_junit(verdict))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    dark, size, noise, copies = suite.findall("testcase")
    failure = dark.find("failure")
    assert failure is not None and failure.get("message") == "NO-GO: 0.02, asked: >= 0.1"
    assert failure.text == "black\nlook"
    assert size.find("error") is not None
    assert noise.find("failure") is None and noise.findtext("system-out") == "a little"
    assert copies.get("name") == "Copies <&>" and len(copies) == 0
