from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from gonogo.base.errors import UserError
from gonogo.verdict import Check, Override, Status, Verdict, decide, worst


def verdict(*statuses: Status) -> Verdict:
    checks = [Check(id=f"c{i}", title=f"check {i}", status=status, why=f"why {i}") for i, status in enumerate(statuses)]
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
