"""What a hostile machine, or a hostile package in its training environment, can do here at a run's end: nothing."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.load import load
from gonogo.remote.machine import connect
from gonogo.runtime.context import Run
from gonogo.stages import cloud_train, remote_run
from gonogo.stages import download as download_stage
from gonogo.stages.download import fetch
from tests.faults.servers import KINDS, Site, site
from tests.remote.workspace import end_all

# What stands in code/gonogo/stages/train.py on the machine: it forges its own end, and kills its supervisor.
TRAINING = """
import json, os, signal, sys
run_dir = os.path.dirname(os.path.abspath(sys.argv[2]))
open(os.path.join(run_dir, "__init__.py"), "w").write("raise SystemExit('code of the machine runs here')")
with open(os.path.join(run_dir, "exit.json"), "w") as forged:
    forged.write({forged!r})
os.kill(os.getppid(), signal.SIGKILL)
"""
EXIT: dict[str, Any] = {
    "code": 1, "signal": None, "started_at": 1.0, "ended_at": 2.0, "elapsed_s": 1.0, "usd": 0.0, "attempts": [],
}  # fmt: skip


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    before = signal.getsignal(signal.SIGINT)
    with site(request.param, tmp_path) as made:
        made.target = made.target.model_copy(update={"python": "this", "connection": made.ssh})
        with connect(made.ssh, made.target) as machine:
            machine.install_agent()
        yield made
        end_all(made.root)
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(there: Site, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The paid run of an experiment whose plan and data are not what is tested."""
    monkeypatch.setattr(cloud_train, "confirm_up_to", lambda digests, last: [])
    monkeypatch.setattr(cloud_train, "InputDigests", lambda run: SimpleNamespace(launch="digest"))
    monkeypatch.setattr(cloud_train, "oom_ladder", lambda *plan: [])
    monkeypatch.setattr(remote_run, "verify", lambda *uploaded: None)
    monkeypatch.setattr(cloud_train.MemoryMeasurements, "read", lambda path: SimpleNamespace(explored=None))
    monkeypatch.setattr(cloud_train.Forecast, "model_validate_json", lambda text: SimpleNamespace(hours=None))
    here = tmp_path / "here"
    here.mkdir()
    (here / "forecast.json").touch()
    shipped = load({}, root)
    paths = {"results_dir": here / "results", "archive_dir": here / "archive"}
    config = shipped.config.model_copy(update=paths)
    settings = dataclasses.replace(shipped, config=config, target=there.target)
    return Run(stage="cloud_train", experiment="cvs", mode="fast", settings=settings, log=io.StringIO())


@pytest.mark.parametrize("cause", ["x/../../../psutil", "../../../psutil", "/absolute", "\x1b[2Jfinished"])
def test_an_exit_that_is_forged_writes_nothing_outside_the_archive(
    there: Site, run: Run, tmp_path: Path, cause: str
) -> None:
    package = there.root / "cvs/code/gonogo/stages"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "train.py").write_text(TRAINING.format(forged=json.dumps({**EXIT, "cause": cause})))
    here = tmp_path / "here"
    inputs = SimpleNamespace(forecast=here / "forecast.json", memory="")
    with pytest.raises(UserError, match="it ended in a way that gonogo does not know: the machine calls it") as told:
        cloud_train.cloud_train(run, inputs, SimpleNamespace(run=here / "results/cvs/fast/cloud_train/run.json"))
    assert str(told.value).isprintable()
    assert sorted(path.name for path in here.iterdir()) == ["archive", "forecast.json", "results"]
    assert [path.name for path in (here / "archive").iterdir()] == ["cvs"]
    (kept,) = (here / "archive/cvs").iterdir()
    assert re.fullmatch(r"[\d-]{15}_[\d-]{15}_fast_[0-9a-f]{6}_unknown(_dummy)?", kept.name)
    assert not list((here / "results").rglob("__init__.py"))


def test_an_archive_folder_elsewhere_is_refused_before_anything_is_fetched(there: Site, run: Run) -> None:
    for name in ("a/../../../psutil", "/tmp/psutil", "a/b"):
        with pytest.raises(UserError, match="is no name of a folder in"):
            fetch(run, "cvs/runs/r", name)
    assert not run.config.archive_dir.exists()


@pytest.fixture
def ended(there: Site) -> Path:
    """The folder of a run that has ended on the machine."""
    folder = there.root / "cvs/runs/r1"
    (folder / "out").mkdir(parents=True)
    (folder / "out/model.ckpt").write_bytes(b"weights")
    for name, facts in (("run.json", {"key": "k", "workspace": "cvs"}), ("exit.json", {**EXIT, "cause": "finished"})):
        (folder / name).write_text(json.dumps(facts))
    return folder


def test_what_is_missing_is_said_and_noted_and_holds_the_machine(there: Site, run: Run, ended: Path) -> None:
    (there.root / "scratch.bin").write_bytes(b"the best checkpoint")
    (ended / "out/best.bin").symlink_to(there.root / "scratch.bin")
    report = run.config.results_dir / "cvs/fast/download/archive.json"
    got = fetch(run, "cvs/runs/r1", "r1", str(report))
    noted = json.loads(report.read_text())
    assert noted["left_on_machine"] and list(noted["missing"]) == ["out/best.bin"]
    assert (Path(got.folder) / "out/model.ckpt").read_bytes() == b"weights"
    assert not (ended / "collected.json").exists(), "so it does not shut itself down"
    run.log.seek(0)
    said = run.log.read()
    assert "not fetched: out/best.bin: a link to" in said and "gonogo release --discard" in said
    (ended / "out/best.bin").unlink()
    (there.root / "scratch.bin").rename(ended / "out/best.bin")
    fetch(run, "cvs/runs/r1", "r1", str(report))
    assert not json.loads(report.read_text())["left_on_machine"] and (ended / "collected.json").exists()


def test_killed_after_the_download_there_is_one_copy(
    there: Site, run: Run, ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run.config.results_dir / "cvs/fast/download/archive.json"

    def killed(*report: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as first, pytest.raises(KeyboardInterrupt):
        first.setattr(download_stage, "write_json", killed)
        fetch(run, "cvs/runs/r1", "r1", str(report))
    (kept,) = [path for path in (run.config.archive_dir / "cvs").iterdir() if not path.name.startswith(".")]
    got = fetch(run, "cvs/runs/r1", "r1", str(report))
    assert got.folder == str(kept) == json.loads(report.read_text())["folder"]
    assert list((run.config.archive_dir / "cvs").glob("[!.]*")) == [kept]


def test_what_was_fetched_is_reported_again_though_the_machine_is_gone(there: Site, run: Run, ended: Path) -> None:
    report = run.config.results_dir / "cvs/fast/download/archive.json"
    first = fetch(run, "cvs/runs/r1", "r1", str(report))
    report.unlink()  # as Snakemake does where a full disk kept it from noting that the job was done
    there.server.kill()
    assert (
        fetch(run, "cvs/runs/r1", "r1", str(report)).folder == first.folder == json.loads(report.read_text())["folder"]
    )
    there.up()
    again = fetch(run, "cvs/runs/r1", "r1", str(report))
    assert again.folder != first.folder, "it was reported: whoever asks again wants it fetched again"
    (Path(again.folder) / "out/model.ckpt").write_bytes(b"")
    assert fetch(run, "cvs/runs/r1", "r1", str(report)).folder != again.folder, "it is whole no longer"


HONEST = """
import json, os, sys
out = sys.argv[2]
os.makedirs(os.path.join(out, "checkpoints"))
open(os.path.join(out, "checkpoints", "best.ckpt"), "w").write(str(os.getpid()))
facts = {"steps": 1, "epochs": 1, "parameters": 1, "train_loss": [1.0], "val_steps": [], "val_loss": []}
facts.update(step_s=[1.0], wall_s=1.0, peak_memory_bytes=1, device="CPU", finite=True)
json.dump(facts, open(os.path.join(out, "training.json"), "w"))
"""


@pytest.mark.slow
def test_results_that_are_lost_here_before_the_download_are_not_paid_twice(
    there: Site, run: Run, tmp_path: Path
) -> None:
    """A new laptop, or `rm -r results`: from the launch to the archive, with the run's own key alone."""
    package = there.root / "cvs/code/gonogo/stages"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "train.py").write_text(HONEST)
    inputs = SimpleNamespace(forecast=tmp_path / "here/forecast.json", memory="")
    report = run.config.results_dir / "cvs/fast/cloud_train/run.json"
    cloud_train.cloud_train(run, inputs, SimpleNamespace(run=report))
    first = json.loads(report.read_text())
    shutil.rmtree(run.config.results_dir)
    assert not run.config.archive_dir.exists(), "nothing was fetched"
    time.sleep(1.1)  # a new run would have a name of its own
    cloud_train.cloud_train(run, inputs, SimpleNamespace(run=report))
    again = json.loads(report.read_text())
    assert (again["run_id"], again["usd"]) == (first["run_id"], first["usd"])
    assert [path.name for path in (there.root / "cvs/runs").iterdir()] == [first["run_id"]]
    archive = run.config.results_dir / "cvs/fast/download/archive.json"
    got = fetch(run, again["run_dir"], again["run_id"], str(archive))
    (checkpoint,) = (there.root / "cvs/runs").glob("*/out/checkpoints/best.ckpt")
    assert (Path(got.folder) / "out/checkpoints/best.ckpt").read_text() == checkpoint.read_text()
