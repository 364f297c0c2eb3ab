"""The ledger's commands, on what invocations leave when they end."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.base.files import write_json
from gonogo.cli.main import main
from gonogo.runtime import ledger
from tests.cli.recorded import LEDGER, Site, site
from tests.report.page.chains import row
from tests.waiting import LIMIT_S

__all__ = ["site"]
HOSTILE = "=cmd|' /C calc'!A0 \x1b[2J<b>\u202e"
Said = pytest.CaptureFixture[str]


def asked(said: Said, *words: str, code: int = 0) -> str:
    said.readouterr()
    assert main(list(words)) == code
    return said.readouterr().out


def test_each_invocation_is_a_run_with_what_it_found_also_after_later_ones(site: Site, capsys: Said) -> None:
    site.invocation("20260101-1", "learning", note="first try")
    site.invocation("20260102-2", usd=1.25)
    lines = asked(capsys, "runs").splitlines()
    assert "20260101-1/mine" in lines[1] and "NO-GO" in lines[1] and "learning: WIRING" in lines[1]
    assert "first try" in lines[1] and "d1d1d1d1" in lines[1]
    assert "20260102-2/mine" in lines[2] and " GO " in lines[2] and "$1.25" in lines[2]
    assert "2 runs, $1.25 in all" in lines[3]
    shown = asked(capsys, "show", "mine~1")
    assert shown.startswith("NO-GO  20260101-1/mine") and "41.5 % of items" in shown and "training.epochs" in shown
    assert "halt" in shown and "✗ learning: NO-GO WIRING" in shown
    assert asked(capsys, "show", "mine").startswith("GO  20260102-2/mine  fast")
    assert asked(capsys, "show", "20260101").startswith("NO-GO")


def test_csv_and_json_have_the_same_runs_with_metrics(site: Site, capsys: Said) -> None:
    settings = site.settings("mine")
    write_json(settings.paths("mine").results / "measurements.json", {"metrics": {"skill": 0.75, "bad": float("nan")}})
    site.invocation("s1")
    (as_json,) = json.loads(asked(capsys, "runs", "--json"), parse_constant=pytest.fail)
    (as_csv,) = csv.DictReader(io.StringIO(asked(capsys, "runs", "--csv")))
    assert as_json["metric.skill"] == 0.75 == float(as_csv["metric.skill"]) and as_json["metric.bad"] is None
    assert as_json["verdict"] == as_csv["verdict"] == "GO" and as_json["data_digest"] == "d1" * 32
    found = json.loads(asked(capsys, "show", "mine", "--json"))
    assert found["record"]["settings"]["training.epochs"] == 2 and found["stages"][-1]["stage"] == "report"
    assert len(found["record"]["pictures"]) == 3


def test_money_saved_is_an_estimate_and_the_same_no_go_counts_once(site: Site, capsys: Said) -> None:
    site.invocation("s1", "learning", digest="aa")
    site.invocation("s2", "learning", digest="aa")
    assert "saved by 1 NO-GO: about $6.00 and 1 h (an estimate" in asked(capsys, "runs")
    site.invocation("s3", "learning", digest="bb", usd=2.0)
    said = asked(capsys, "cost")
    assert "saved by 2 NO-GOs: about $12.00 and 2 h (an estimate" in said
    whole = json.loads(asked(capsys, "cost", "--json"))
    assert whole["saved"]["usd"] == 12.0 and "estimate" in whole["saved"]["estimate"]
    assert [it["run"] for it in whole["saved"]["by"]] == ["s1/mine", "s3/mine"]
    stages = {it["stage"]: it for it in whole["stages"]}
    assert stages["halt"]["times"] == 3 and stages["halt"]["usd"] == 2.0 and whole["usd"] == 2.0
    assert asked(capsys, "cost", "--csv").startswith("experiment,stage,times,stages_s,usd\nmine,judge_generator,3,")


@pytest.mark.parametrize("outcome", ["failed", "interrupted"])
def test_an_older_verdict_is_none_of_a_run_that_did_not_come_so_far(outcome: str, site: Site, capsys: Said) -> None:
    site.invocation("s1", "learning")
    site.invocation("s2", "learning", outcome=outcome)
    assert [it["verdict"] for it in json.loads(asked(capsys, "runs", "--json"))] == ["NO-GO", outcome.upper()]
    assert "saved by 1 NO-GO" in asked(capsys, "runs")


def test_a_run_under_way_and_one_of_before_the_records_are_listed(site: Site, capsys: Said) -> None:
    site.settings("mine")
    ledger.add(LEDGER, row("mine", "halt", outcome="failed"))
    ledger.begin(LEDGER, ledger.Row("s2", "mine", "fast", "cloud_train", 5.0, 0.0))
    old, now = json.loads(asked(capsys, "runs", "--json"))
    assert old["verdict"] == "stopped by a gate" and now["verdict"] == "RUNNING" and old["summary"] is None
    assert "were not recorded" in asked(capsys, "show", "mine")


def test_a_text_is_found_in_settings_causes_checks_and_notes(site: Site, capsys: Said) -> None:
    site.invocation("s1", "learning", note="batch of Tuesday")
    site.invocation("s2", experiment="other")
    assert "s1/mine" in asked(capsys, "search", "tuesday") and "s2/other" not in asked(capsys, "search", "TUESDAY")
    assert "learning gate: NO-GO WIRING" in asked(capsys, "search", "wiring")
    assert "training.epochs: 2" in asked(capsys, "search", "training.epochs: 2")
    found = json.loads(asked(capsys, "search", "their views are black", "--json"))
    assert [it["run"] for it in found] == ["s1/mine"]
    assert "nothing recorded holds" in asked(capsys, "search", "no such thing", code=1)


def test_hostile_names_are_text_everywhere(site: Site, capsys: Said) -> None:
    settings = site.settings("mine")
    metrics = {"metrics": {HOSTILE: 1.0}}
    write_json(settings.paths("mine").results / "measurements.json", metrics)
    site.invocation("s1", note=HOSTILE)
    ledger.add(LEDGER, ledger.Row("s2", HOSTILE, HOSTILE, HOSTILE, 1.0, 2.0, note=HOSTILE))
    for words in (["runs"], ["show", "s1"], ["show", "s2"], ["search", "calc"], ["cost"]):
        assert asked(capsys, *words).replace("\n", "").isprintable()
        with_form = asked(capsys, *words, "--json")
        assert with_form.replace("\n", "").isprintable() and json.loads(with_form)
    for words in (["runs"], ["cost"]):
        cells = [cell for line in csv.reader(io.StringIO(asked(capsys, *words, "--csv"))) for cell in line]
        assert not any(cell.startswith("=") for cell in cells) and any(cell.startswith("'=cmd") for cell in cells)


@pytest.mark.parametrize(
    ("name", "said"),
    [("other", "no run is called so"), ("mine~7", "there are 2 runs of mine"), ("s", "2 runs begin so"),
     ("mine~x", "no run is called so")],
)  # fmt: skip
def test_a_name_of_none_or_of_several_is_one_sentence(name: str, said: str, site: Site, capsys: Said) -> None:
    site.invocation("s1")
    site.invocation("s2")
    capsys.readouterr()
    assert main(["show", name]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_the_viewers_of_trackers_are_named_and_open_on_what_is_left(site: Site, capsys: Said) -> None:
    board = pytest.importorskip("torch.utils.tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = Path("archive/mine/run/out/tracking/tensorboard").resolve()
    with board.SummaryWriter(str(folder)) as writer:
        writer.add_scalar("skill", 0.5, 1)
    settings = site.settings("mine")
    write_json(settings.paths("mine", "fast").archive, {"folder": "archive/mine/run"})
    site.invocation("s1")
    assert f"tensorboard --logdir {folder}" in asked(capsys, "show", "mine")
    assert EventAccumulator(str(folder)).Reload().Tags()["scalars"] == ["skill"]


def test_a_reader_that_has_enough_is_no_error(site: Site) -> None:
    site.invocation("s1")
    words = f"{sys.executable} -m gonogo show mine | true"
    done = subprocess.run(words, shell=True, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.stderr == ""


def test_the_commands_load_no_torch() -> None:
    look = "import sys, gonogo.cli.runs, gonogo.cli.show, gonogo.cli.cost; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], timeout=LIMIT_S, check=False).returncode == 0
