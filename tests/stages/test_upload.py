from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged, nested
from gonogo.config.load import load
from gonogo.config.load import load_experiment as load_config
from gonogo.experiment.load import load_experiment
from gonogo.experiment.pretrained import Asset
from gonogo.remote.answers import Fetched
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import upload as send
from gonogo.runtime.context import Run
from gonogo.stages import upload as stage_module
from gonogo.stages.freshness import InputDigests
from gonogo.stages.remote_run import run_key
from gonogo.stages.sent_parts import package_files, sent_bytes, sent_code
from gonogo.stages.upload import fetch_there, run_spec, upload, with_places
from tests.conftest import ROOT
from tests.remote.conftest import quiet
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


def folder_of_a_model(folder: Path) -> Asset:
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text(name)
    (folder / ".cache").mkdir()
    (folder / ".cache/x").touch()
    return Asset(path=folder, min_bytes=1, max_bytes=100, source="https://example.org")


def test_pretrained_files_are_sent_to_where_the_run_looks_for_them(
    machine: Machine, root_there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = folder_of_a_model(tmp_path / "models/Qwen")
    config = load_config(ROOT / "config/experiments", "cad_mllm_8b")
    for path, there in (
        (Path("models/Qwen"), "models/Qwen"),
        (base.path, "pretrained/model.base.pretrained.path/Qwen"),
    ):
        asset = base.model_copy(update={"path": path})
        settings = nested("model.base.pretrained", asset.model_dump(mode="json"))
        named = config.model_copy(update={"settings": deep_merged(config.settings, settings)})
        experiment = load_experiment("cad_mllm_8b", named, ROOT)
        assert list(experiment.pretrained()) == ["model.base.pretrained.path"]
        said = with_places(experiment).settings["model"]["base"]["pretrained"]["path"]
        assert said == there
        files = experiment.pretrained()["model.base.pretrained.path"].sent("model.base.pretrained.path")
        send(machine, {f"cad/code/{name}": file for name, file in files.items()}, ".", quiet)
        found = root_there / "cad/code" / said
        assert sorted(file.name for file in found.rglob("*")) == ["config.json", "model.safetensors"]


def test_a_pretrained_model_of_views_is_sent_where_it_is_trained_with() -> None:
    settings = load({"experiments": "cvs_full"}, ROOT)
    experiment = load_experiment("cvs_full", settings.experiments["cvs_full"], ROOT)
    (asset,) = experiment.pretrained().values()
    assert asset.sent("model.token_model") == {"models/dinov2_small.onnx": Path("models/dinov2_small.onnx")}
    assert load_experiment("cvs", load({"experiments": "cvs"}, ROOT).experiments["cvs"], ROOT).pretrained() == {}


def test_what_the_machine_fetches_itself_is_not_sent(
    stage_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, sha256 = "https://example.org/files/model.safetensors?download=true", "AB" * 32
    asset = folder_of_a_model(tmp_path / "Qwen").model_copy(update={"path": Path("Qwen"), "fetch": {address: sha256}})
    monkeypatch.chdir(tmp_path)
    assert asset.sent("key") == {"Qwen/config.json": Path("Qwen/config.json")}
    asked: list[Any] = []

    class Fetching:
        def ask(self, kind: Any, *words: str, stdin: str, timeout_s: float) -> Any:
            asked.append((words, json.loads(stdin)))
            return Fetched(files=1, bytes=5_000_000_000)

    run = stage_run("upload")
    fetch_there(run, Fetching(), {"key": asset})  # type: ignore[arg-type]
    wanted = [{"name": "Qwen/model.safetensors", "address": address, "sha256": sha256, "max_bytes": 1 << 30}]
    assert asked == [(("fetch", "mine/code"), wanted)]
    assert "Qwen/model.safetensors: fetched, 5.00 GB, sha256 verified" in said(run) and "download=" not in said(run)
    refused = ("http://example.org/x", "https://example.org/", "https://example.org/a/..", "https://me:key@example.org/x",
               "https://example.org/two words", "https://example.org/ä")  # fmt: skip
    for wrong in (*({one: "ab" * 32} for one in refused), {address: "abc"}):
        with pytest.raises(ValidationError):
            Asset.model_validate({**asset.model_dump(), "fetch": wrong})


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
