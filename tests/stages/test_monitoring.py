"""Lines that watch a paid run, and what its trackers left."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.cli.main import main
from gonogo.config import tracking
from gonogo.config.load import load_accelerator
from gonogo.config.target import Ssh
from gonogo.runtime.context import Run
from gonogo.stages import monitoring as module
from gonogo.stages.monitoring import monitoring, offline_runs, tracked
from tests.stages.conftest import said


def lines(run: Run) -> list[list[str]]:
    return [shlex.split(line.command) for line in monitoring(run)]


def test_every_command_of_gonogo_is_one_that_it_has(stage_run: Callable[..., Run]) -> None:
    own = [words[1:] for words in lines(stage_run("measure_launch")) if words[0] == "gonogo"]
    assert [words[0] for words in own] == ["attach", "review", "cost"]
    for words in own:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        assert not ended.value.code


def test_files_are_those_of_the_stage_that_writes_them_while_it_runs(stage_run: Callable[..., Run]) -> None:
    run = stage_run("measure_launch")
    tailed = [words[-1] for words in lines(run) if words[0] == "tail"]
    assert tailed == [str(run.paths.cloud_train / name) for name in ("log.txt", "gauges.csv")]
    assert not any(words[0] in ("ssh", "tensorboard", "nvidia-smi") for words in lines(run)), "a CPU, and no tracker"


def test_the_card_and_the_curves_of_a_rented_machine_are_seen_through_ssh(
    stage_run: Callable[..., Run], root: Path
) -> None:
    run = stage_run("measure_launch", tracking="csv,tensorboard", target="h200")
    ssh = Ssh(host="203.0.113.7", user="root", port=2222, key_file=Path("/keys/one"), jump="me@gate")
    for name, watch in (("h200", "nvidia-smi -l 5"), ("mi300x", "watch -n 5 rocm-smi")):
        settings = dataclasses.replace(
            run.settings,
            target=run.target.model_copy(update={"connection": ssh, "root": "gonogo", "accelerator": name}),
            accelerator=load_accelerator(root / "config", name),
        )
        card, curves = [words for words in lines(dataclasses.replace(run, settings=settings)) if words[0] == "ssh"]
        login = ["-i", "/keys/one", "-p", "2222", "-J", "me@gate", "root@203.0.113.7"]
        assert card == ["ssh", "-t", *login, watch]
        assert curves[:4] == ["ssh", "-t", "-L", "6006:localhost:6006"]
        assert re.fullmatch(r"gonogo/\.env-\w+/bin/tensorboard --logdir gonogo/mine/runs --port 6006", curves[-1])


def test_a_tracker_without_its_package_is_refused_before_anything_is_done(
    stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking: mlflow: its package is not installed here: pip install 'mlflow-"):
        stage_run("prepare", tracking="csv,mlflow")
    assert stage_run("prepare", tracking="csv,mlflow", target="h200").config.tracking == ["csv", "mlflow"]


def fetched(folder: Path) -> Path:
    for name in ("tensorboard/run", "wandb/wandb/offline-run-20260101_120000-abc", "wandb/wandb/; rm -r x"):
        (folder / "out/tracking" / name).mkdir(parents=True)
    (folder / "out/tracking/wandb/wandb/offline-run-2-x").symlink_to("/etc")
    return folder


def test_an_offline_run_is_synced_where_this_shell_has_a_key(
    stage_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = stage_run("download", target="h200", tracking="wandb,tensorboard"), fetched(tmp_path / "kept")
    (ours,) = offline_runs(folder / "out/tracking/wandb/wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    tracked(run, folder)
    assert f"tracked: tensorboard --logdir {folder}/out/tracking/tensorboard" in said(run)
    assert f"tracked offline; to sync it: wandb sync {ours} " in said(run)

    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    monkeypatch.setattr(module, "missing", lambda trackers: "")
    called = tmp_path / "called"
    (tmp_path / "wandb.py").write_text(f"import sys; open({str(called)!r}, 'w').write(' '.join(sys.argv[1:]))")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    tracked(run, folder)
    assert called.read_text() == f"sync {ours}" and "synced with wandb" in said(run)
    (tmp_path / "wandb.py").write_text("import sys; sys.exit(2)")
    tracked(run, folder)
    assert f"CAUTION: wandb was not synced (exit code 2); sync it by hand: wandb sync {ours}" in said(run)
    assert "k" * 40 not in said(run)
