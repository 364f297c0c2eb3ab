"""A chain tells a web server what happens: a NO-GO once, and a paid run from its launch to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.notify.receiver import HANG, Receiver, receiver
from tests.workflow.conftest import Site

__all__ = ["receiver"]

SECRET = "s3cret-topic-of-a-test"


@pytest.fixture
def telling(fresh: Site, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site that tells the server by a URL whose secret is in the environment."""
    monkeypatch.setenv("TOPIC_OF_A_TEST", SECRET)
    config = fresh.folder / "config/config.yaml"
    written = {**yaml.safe_load(config.read_text()), "notify": [f"{receiver.url}/${{TOPIC_OF_A_TEST}}"]}
    config.write_text(yaml.safe_dump(written))
    return fresh


def events(receiver: Receiver) -> list[dict[str, Any]]:
    assert {told.path for told in receiver.told} <= {f"/{SECRET}"}
    return [json.loads(told.body) for told in receiver.told]


def files_with(text: str, folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if text.encode() in path.read_bytes()]


def decoded_badly(site: Site) -> None:
    """The generator gate stops it within seconds."""
    own = site.folder / "config/experiments/tiny.yaml"
    written = yaml.safe_load(own.read_text())
    bound = {"at_least": 60, "why": "the decoder is not perfect"}
    written["gates"]["generator"] = {"own_view_psnr_db": bound}
    own.write_text(yaml.safe_dump(written))


@pytest.mark.slow
def test_a_no_go_is_told_once_and_a_rerun_tells_nothing(telling: Site, receiver: Receiver) -> None:
    decoded_badly(telling)
    done = telling.run("--config", "experiments=tiny")
    assert done.returncode == 1 and "the decoder is not perfect" in done.stderr
    (told,) = events(receiver)
    assert told["event"] == "no_go" and told["title"].startswith("🔴 NO-GO generator · tiny")
    assert "the decoder is not perfect" in told["sentence"]
    assert telling.run("--config", "experiments=tiny").returncode == 1
    assert len(receiver.told) == 1
    assert files_with(SECRET, telling.folder) == [] and SECRET not in done.stderr


@pytest.mark.slow
def test_a_server_that_hangs_changes_no_verdict_and_is_named(telling: Site, receiver: Receiver) -> None:
    decoded_badly(telling)
    receiver.answers = [HANG] * 9
    done = telling.run("--config", "experiments=tiny")
    assert done.returncode == 1 and "the decoder is not perfect" in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "CAUTION: notify:" in line]
    assert "NO-GO generator" in line and SECRET not in done.stderr


@pytest.mark.slow
@pytest.mark.chain
def test_a_paid_run_is_told_from_its_launch_to_the_report(telling: Site, receiver: Receiver) -> None:
    done = telling.run("--config", "experiments=tiny")
    assert done.returncode == 0, done.stderr
    told = {event["event"]: event for event in events(receiver)}
    titles = [event["title"] for event in events(receiver)]
    assert "was started on local" in told["launch"]["sentence"]
    assert any(title.startswith("🏁 trained") for title in titles)
    assert sum("the chain is at its end" in title for title in titles) == 1
    assert files_with(SECRET, telling.folder) == []
