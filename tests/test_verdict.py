from __future__ import annotations

import datetime as dt
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from pydantic import ValidationError

from gonogo.base.errors import UserError
from gonogo.report.junit import to_junit
from gonogo.report.render import to_text
from gonogo.verdict import Check, Override, Status, Verdict, decide, not_measured, worst


def verdict(*statuses: Status) -> Verdict:
    checks = [
        Check(id=f"c{i}", title=f"check {i}", value=i, status=status, why=f"why {i}")
        for i, status in enumerate(statuses)
    ]
    return decide(checks, gate="quality", experiment="cvs", measured_at=dt.datetime.now(dt.UTC), inputs_digest="0" * 64)


def test_the_gravest_check_decides() -> None:
    assert worst([]) is Status.GO
    assert verdict(Status.GO, Status.GO).status is Status.GO
    assert verdict(Status.GO, Status.CAUTION).status is Status.CAUTION
    assert verdict(Status.CAUTION, Status.UNKNOWN).status is Status.UNKNOWN
    assert verdict(Status.UNKNOWN, Status.NO_GO, Status.GO).status is Status.NO_GO


def test_unmeasured_is_never_green() -> None:
    assert verdict().status is Status.UNKNOWN
    assert not verdict().go
    assert not verdict(Status.GO, Status.UNKNOWN).go
    assert verdict(Status.CAUTION).go


@pytest.mark.parametrize("value", [None, "not measured", "not known: too few", "not judged: no key"])
def test_no_check_is_green_without_a_measured_value(value: str | None) -> None:
    grey = Check(id="leakage", title="Leakage", value=value, status=Status.GO)
    assert grey.status is Status.UNKNOWN and grey.grey and grey.value is None
    assert grey.why == (value or "")
    read_again = Check.model_validate_json(grey.model_copy(update={"status": Status.GO}).model_dump_json())
    assert read_again.grey, "also where an older version wrote it"


def test_what_is_grey_stops_nothing_and_is_not_counted_as_passed() -> None:
    grey = not_measured("leakage", "Leakage", "there are no two splits")
    found = decide([*verdict(Status.GO).checks, grey], gate="quality", experiment="cvs",
                   measured_at=dt.datetime.now(dt.UTC), inputs_digest="")  # fmt: skip
    assert found.go and found.status is Status.GO and found.failed == []
    assert found.summary == "its check passes; 1 not measured"
    fields = found.model_dump(include={"gate", "experiment", "measured_at", "inputs_digest"})
    assert decide([grey], **fields).status is Status.UNKNOWN
    assert "? not measured: leakage (there are no two splits)" in to_text(found, colour=False, width=100)
    suite = ET.fromstring(to_junit(found))
    assert (suite.get("errors"), suite.get("skipped")) == ("0", "1")


def test_an_override_passes_and_stays_visible() -> None:
    no_go = verdict(Status.NO_GO)
    no_go.override = Override(experiment="cvs", gate="quality", by="Ada", reason="to see it fail")
    assert no_go.go and no_go.status is Status.NO_GO
    with pytest.raises(ValidationError):
        Override(experiment="cvs", gate="quality", by="", reason="to see it fail")


def test_round_trip_and_schema(tmp_path: Path, root: Path) -> None:
    written = verdict(Status.GO, Status.NO_GO)
    written.write(tmp_path / "verdict.json")
    assert Verdict.read(tmp_path / "verdict.json") == written
    assert written.summary == "why 1" and [check.id for check in written.failed] == ["c1"]
    assert json.loads((root / "docs/verdict.schema.json").read_text()) == Verdict.model_json_schema()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"gate": "quality", "status": "MAYBE"}'])
def test_a_file_that_is_no_verdict_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "verdict.json").write_text(text)
    with pytest.raises(UserError, match=r"verdict.json: not what this version writes .*\. Delete it") as caught:
        Verdict.read(tmp_path / "verdict.json")
    assert "\n" not in str(caught.value)


def test_a_status_says_how_it_is_shown_and_what_a_command_ends_with() -> None:
    assert {status.value: status.exit_code for status in Status} == {"GO": 0, "CAUTION": 0, "UNKNOWN": 2, "NO_GO": 1}
    assert sorted(Status, key=lambda status: status.severity) == list(Status)
    for shown in ("mark", "light", "colour", "rgb"):
        assert len({getattr(status, shown) for status in Status}) == len(Status)
