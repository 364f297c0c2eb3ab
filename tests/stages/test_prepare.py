from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gonogo.gates import registry
from gonogo.gates.generator import Measurements
from gonogo.runtime.context import Run
from gonogo.stages.freshness import InputDigests
from gonogo.stages.prepare import prepare
from tests.stages.conftest import Files, said


def test_what_it_made_is_measured_and_its_digest_is_that_of_today(
    stage_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = stage_run("prepare")
    outputs = Files(assets=run.paths.assets, measurements=tmp_path / "measurements.json")
    prepare(run, Files(), outputs)
    measured = Measurements.read(outputs.measurements)
    assert measured.metrics == {} and "ready in" in said(run)
    generator = registry.gate("generator")
    assert measured.inputs_digest == InputDigests(run).of(generator)
    (run.paths.assets / "decoder.bin").write_bytes(b"another")
    assert measured.inputs_digest != InputDigests(run).of(generator)
