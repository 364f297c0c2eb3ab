"""`gonogo machines`: what bills on; and `gonogo release --gone`."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import yaml

from gonogo.cli import machines
from gonogo.cli.main import main
from gonogo.remote.providers import DigitalOcean
from gonogo.stages.held_machines import HeldMachine, changing
from tests.conftest import ROOT
from tests.remote.droplets import Cloud, cloud

__all__ = ["cloud"]


@pytest.fixture
def site(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose target `box` holds a machine at a provider."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for shipped in ("h200", "mi300x"):
        (tmp_path / f"config/targets/{shipped}.yaml").unlink()
    target = {
        "connection": {"kind": "ssh", "host": "203.0.113.7", "user": "root"},
        "release": {"how": "destroy", "provider": "digitalocean", "tag": "gonogo"},
    }
    (tmp_path / "config/targets/box.yaml").write_text(yaml.safe_dump(target))
    held = HeldMachine(
        host="203.0.113.7",
        since=time.time() - 7200,
        usd_per_hour=3.0,
        machine=DigitalOcean("good-token", "gonogo", cloud.url).find()[0],
        experiments=["cvs", "eeg"],
    )
    held.note("in use by results")
    with changing(tmp_path / "results/held/box.json") as listed:
        listed.append(held)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machines, "provider", lambda release: DigitalOcean("good-token", release.tag, cloud.url))
    return tmp_path


def test_what_is_held_since_when_for_how_much_and_by_whom(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["machines"]) == 0
    said = capsys.readouterr().out
    assert "HELD  203.0.113.7 (gonogo-h200, 7), target box, since 20" in said and "about $6.00" in said
    assert "by results: cvs, eeg" in said and "in use by results" in said
    assert main(["machines", "--json"]) == 0
    (held,) = json.loads(capsys.readouterr().out)["held"]
    assert (held["target"], held["state"], held["usd"], held["experiments"]) == ("box", "held", 6.0, ["cvs", "eeg"])


def test_an_orphan_is_found_by_its_tag(site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.droplets[9] = ("forgotten\x1b[2J", "203.0.113.9", ["gonogo"])
    assert main(["machines"]) == 1
    said = capsys.readouterr().out
    assert "ORPHAN  forgotten (9) at 203.0.113.9 has the tag of target box" in said and "\x1b" not in said
    assert main(["machines", "--json"]) == 1
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["orphans"]] == ["9"]


def test_a_provider_that_cannot_be_asked_is_told(site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.fails = [503]
    assert main(["machines"]) == 1
    assert "NOT ASKED  target box: DigitalOcean: GET /v2/droplets: 503" in capsys.readouterr().out


def test_an_alarm_stays_until_a_person_has_seen_it_gone(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with changing(site / "results/held/box.json") as listed:
        listed[0].become("releasing", "release: destroy")
        listed[0].become("alarm", "it is still there")
    assert main(["machines"]) == 1
    assert "ALARM  203.0.113.7" in capsys.readouterr().out
    words = ["release", "--target", "box", "--gone", "203.0.113.7"]
    assert main(words) == 0 and main(words) == 1
    assert "is no longer held here, after 2 h" in capsys.readouterr().out
    assert not (site / "results/held/box.json").exists()
    (line,) = (site / "results/held/released.jsonl").read_text().splitlines()
    assert json.loads(line)["evidence"][-1]["what"] == "gone: a person says that it is gone"


def test_where_nothing_is_held_that_is_said(site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(site / "results")
    cloud.droplets.clear()
    assert main(["machines"]) == 0
    assert "no machine is held by results" in capsys.readouterr().out
