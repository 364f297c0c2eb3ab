from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.config.load import load_accelerator, validate
from gonogo.config.target import Target
from gonogo.experiment.pretrained import Asset
from gonogo.runtime.context import Run
from gonogo.stages import freshness
from gonogo.stages.critical_items import (
    forbidden_environment,
    packages_are_named,
    reaches_the_machine,
    unbuffered,
    verdicts_hold,
)
from gonogo.stages.freshness import InputDigests, data_digest


def test_a_log_that_would_arrive_in_blocks_is_named() -> None:
    assert unbuffered(Target().environment).ok
    missing = unbuffered({})
    assert not missing.ok and "PYTHONUNBUFFERED" in missing.name and "blocks" in missing.detail


def test_the_override_that_an_mi300x_must_not_have_is_refused(root: Path) -> None:
    accelerator = load_accelerator(root / "config", "mi300x")
    assert "HSA_OVERRIDE_GFX_VERSION" not in accelerator.environment
    assert forbidden_environment(accelerator, {"PYTHONUNBUFFERED": "1"}).ok
    refused = forbidden_environment(accelerator, {"HSA_OVERRIDE_GFX_VERSION": "11.0.0"})
    assert not refused.ok and "HSA_OVERRIDE_GFX_VERSION" in refused.detail


def test_every_target_and_accelerator_that_ships_is_valid(root: Path) -> None:
    for file in (root / "config/targets").glob("*.yaml"):
        target = validate(Target, yaml.safe_load(file.read_text()), file.name)
        load_accelerator(root / "config", target.accelerator)
    for name in yaml.safe_load((root / "config/accelerators.yaml").read_text()):
        assert load_accelerator(root / "config", name).source


def test_verdicts_are_confirmed_without_reading_the_data_once_more(
    stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage_run("measure_launch")
    for shard in [*run.shards, *run.sample_shards]:
        shard.mkdir(parents=True)
        (shard / "item_0.txt").write_text("words")
    read: list[list[Path]] = []
    monkeypatch.setattr(freshness, "data_digest", lambda folders: read.append(folders) or data_digest(folders))
    digests = InputDigests(run)
    assert digests.launch
    with pytest.raises(FileNotFoundError, match="verdict"):  # the digests come first
        verdicts_hold(digests)
    assert read.count(run.shards) == 1


def test_packages_of_this_computer_are_no_packages_of_the_machine(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("torch\ntqdm\n-e .\n")
    assert packages_are_named(requirements).ok
    requirements.write_text("./wheels/mine-1.0-py3-none-any.whl\n")
    refused = packages_are_named(requirements)
    assert not refused.ok and "is a path of this computer" in refused.detail


def test_the_checklist_says_how_a_pretrained_file_gets_to_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "encoder.pt"
    asset = Asset(path=path, min_bytes=1, max_bytes=10**9, source="https://example.org")
    missing = reaches_the_machine("model.weights.path", asset)
    assert not missing.ok and missing.detail.endswith("encoder.pt: not there, so nothing can be sent")
    path.write_bytes(bytes(2_000_000))
    item = reaches_the_machine("model.weights.path", asset)
    assert (item.name, item.ok) == ("settings.model.weights.path on the machine", True)
    assert item.detail == "2.0 MB are sent"

    fetched = asset.model_copy(update={"fetch": {"https://nowhere.invalid/encoder.pt": "ab" * 32}})
    refused = reaches_the_machine("model.weights.path", fetched)
    assert (
        not refused.ok and "the machine cannot fetch https://nowhere.invalid/encoder.pt: it does not" in refused.detail
    )
    asked: list[Any] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda request, timeout: asked.append(request) or io.BytesIO())
    assert reaches_the_machine("k", fetched).ok
    assert [(one.get_method(), one.get_header("Range")) for one in asked] == [("GET", "bytes=0-0")], (
        "signed ones refuse HEAD"
    )
    assert reaches_the_machine("k", fetched).detail == "the machine fetches encoder.pt from nowhere.invalid"
