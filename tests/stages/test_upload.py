from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment
from gonogo.runtime.context import Run
from gonogo.stages import upload as stage_module
from gonogo.stages.freshness import InputDigests
from gonogo.stages.remote_run import run_key
from gonogo.stages.sent_parts import package_files, sent_bytes, sent_code
from gonogo.stages.upload import run_spec, upload
from tests.conftest import ROOT
from tests.stages.conftest import Files, said
from tests.stages.test_remote_run import There


def test_the_code_that_is_sent_can_be_imported_there() -> None:
    settings = load({"experiments": "cvs"}, ROOT)
    code = sent_code(load_experiment("cvs", settings.experiments["cvs"], ROOT))
    assert {"gonogo/__init__.py", "gonogo/stages/train.py", "experiments/cvs/experiment.py"} <= set(code)
    assert all(path.is_file() for path in code.values())
    folders = {name.rpartition("/")[0] for name in code if name.startswith("experiments/")}
    assert {f"{folder}/__init__.py" for folder in folders} <= set(code)
    assert not any(name.startswith(("tests", "workflow")) for name in code)


def test_of_the_package_only_its_own_files_are_sent(tmp_path: Path) -> None:
    for name in ("pkg/a.py", "pkg/.venv/b.py", "elsewhere.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert package_files(tmp_path / "pkg") == [tmp_path / "pkg/a.py"]
    (tmp_path / "pkg/leak.py").symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(UserError, match="a link out of"):
        package_files(tmp_path / "pkg")


def test_the_runs_own_config_names_what_lies_on_the_machine(stage_run: Callable[..., Run]) -> None:
    spec = run_spec(stage_run("upload"))
    assert [path.as_posix() for path in spec.data] == ["../data/shard_0", "../data/shard_1"]
    assert spec.training.epochs == 2 and spec.gate is not None, "a result counts, so the gate watches the paid run"


def test_nothing_is_sent_when_a_verdict_does_not_hold(
    stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(digests: InputDigests, last: str) -> None:
        raise UserError(f"the {last} verdict is stale")

    monkeypatch.setattr(stage_module, "confirm_up_to", refuse)
    run = stage_run("upload")
    outputs = Files(upload=run.paths.in_mode / "upload.json", run=run.paths.in_mode / "run.json")
    with pytest.raises(UserError, match="the launch verdict is stale"):
        upload(run, Files(), outputs)
    assert not run.paths.in_mode.exists() and not (run.config.results_dir / "instance").exists()


@pytest.mark.parametrize("ours", [True, False])
def test_nothing_is_sent_under_a_run_that_is_at_work(
    ours: bool, stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage_run("upload")
    for shard in run.shards:
        shard.mkdir(parents=True)
    key = run_key("mine", InputDigests(run).launch) if ours else "of another laptop"
    there = There("", active={"run_dir": "mine/runs/20260101-000000_mine_abcdef", "key": key})
    monkeypatch.setattr(stage_module, "confirm_up_to", lambda digests, last: [])
    monkeypatch.setattr(stage_module, "persistently", lambda ssh, target, work, say: work(there))
    monkeypatch.setattr(stage_module, "send", lambda *words: pytest.fail("something was sent"))
    outputs = Files(upload=run.paths.in_mode / "upload.json", run=run.paths.in_mode / "run.json")
    if ours:
        upload(run, Files(), outputs)
        assert json.loads(outputs.upload.read_text())["files_sent"] == 0
        assert "20260101-000000_mine_abcdef is at work there with this data, code and config" in said(run)
    else:
        with pytest.raises(UserError, match=r"with other data, code or config.*gonogo stop 20260101-000000_mine_abc"):
            upload(run, Files(), outputs)


def test_what_is_sent_is_estimated_whole(stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = stage_run("forecast")
    for shard in run.shards:
        shard.mkdir(parents=True)
        (shard / "item_0.txt").write_bytes(bytes(3_000_000))
    start = run.settings.root / "start.ckpt"
    start.write_bytes(bytes(5_000_000))
    code = sum(path.stat().st_size for path in sent_code(run.load_experiment()).values())
    assert sent_bytes(run) == 6_000_000 + code and code > 1_000_000
    monkeypatch.setattr("gonogo.experiment.starting_checkpoint.start_of", lambda settings, name: start)
    assert sent_bytes(run) == 11_000_000 + code
