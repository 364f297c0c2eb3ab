"""A verdict on other data, code or config is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.base.commands import OPTIONS
from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import Gates
from gonogo.gates import judging, registry
from gonogo.gates.canary import Measurements
from gonogo.runtime.context import Run
from gonogo.stages import freshness
from gonogo.stages.freshness import ExpectedVerdict, InputDigests, confirm, data_digest

GATE = registry.gate("canary")
FINE = {"exit_cause": "finished", "steps": 12, "finite": True, "step_s": 1.0, "planned_step_s_high": 1.0,
        "peak_memory_bytes": 1, "planned_peak_bytes": 1}  # fmt: skip


def expected(folder: Path, digest: str = "d", **changes: object) -> ExpectedVerdict:
    measured = Measurements(inputs_digest="d", **{**FINE, **changes})
    measured.write(folder / "measurements.json")
    if not (folder / "verdict.json").exists():
        judging.judge(GATE, measured, Gates(), experiment="mine").verdict.write(folder / "verdict.json")
    return ExpectedVerdict(GATE, folder, digest, [folder / "measurements.json"])


def test_what_is_as_it_was_judged_is_confirmed(tmp_path: Path) -> None:
    (verdict,) = confirm([expected(tmp_path)], Gates(), [])
    assert verdict.go and verdict.inputs_digest == "d"


def test_other_inputs_are_named_with_the_command_that_measures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPTIONS, "--profile cloud")
    with pytest.raises(UserError, match=r"the canary verdict is stale.*: snakemake --profile cloud --forcerun canary"):
        confirm([expected(tmp_path, digest="another")], Gates(), [])


def test_a_verdict_that_its_measurements_do_not_bear_out_is_refused(tmp_path: Path) -> None:
    expected(tmp_path)
    with pytest.raises(UserError, match="says GO, its measurements say NO-GO"):
        confirm([expected(tmp_path, finite=False)], Gates(), [])


def test_one_that_does_not_pass_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the canary gate says NO-GO"):
        confirm([expected(tmp_path, finite=False)], Gates(), [])


def test_the_data_is_read_once_for_all_gates(stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = stage_run("upload")
    for shard in [*run.shards, *run.sample_shards]:
        shard.mkdir(parents=True)
        (shard / "item_0.txt").write_text("words")
    read: list[list[Path]] = []
    monkeypatch.setattr(freshness, "data_digest", lambda folders: read.append(folders) or data_digest(folders))
    digests = InputDigests(run)
    found = {gate.path: digests.of(gate) for gate in registry.upto("canary")}
    assert read.count(run.shards) == 1 and found["launch"] == found["canary"] != found["learning"]
