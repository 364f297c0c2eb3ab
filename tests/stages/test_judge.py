"""All rules `judge_GATE` are this stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gonogo.gates.generator import Measurements as GeneratorMeasurements
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.plan import Plan
from gonogo.memory.plan_search import explore
from gonogo.quality import judge as quality_judge
from gonogo.runtime.context import Run
from gonogo.stages.judge import judge
from gonogo.stages.measure_quality import measure_quality
from gonogo.verdict import Status, Verdict
from tests.memory.cards import card, estimator
from tests.stages.conftest import Files, said


def outputs(folder: Path, **more: str) -> Files:
    folder.mkdir(parents=True, exist_ok=True)
    known = {"verdict": "verdict.json", "token": "token"}
    return Files({name: str(folder / file) for name, file in {**known, **more}.items()})


def test_the_token_stays_when_only_the_thresholds_change(stage_run: Callable[..., Run], tmp_path: Path) -> None:
    files = outputs(tmp_path / "generator")
    GeneratorMeasurements(metrics={"psnr_db": 20.0}, inputs_digest="d").write(tmp_path / "generator/measurements.json")
    tokens = []
    for least, status in ((18, Status.GO), (30, Status.NO_GO)):
        run = stage_run("judge_generator", gates={"generator": {"psnr_db": {"at_least": least}}})
        judge(run, Files(), files, Files(gate="generator"))
        assert Verdict.read(files.verdict).status is status
        tokens.append(Path(files.token).read_text())
        assert ("GO" in said(run)) == (status is Status.GO), "a NO-GO is told by `halt`"
    assert tokens[0] == tokens[1] == "generator  d\n"


def test_quality_is_judged_once_and_shown_as_evidence(
    stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stage_run("judge_quality_dataset")
    for number, shard in enumerate(run.shards):
        shard.mkdir(parents=True)
        for item in range(3):
            (shard / f"item_{3 * number + item}.txt").write_text("the same words in every item")
        measure_quality(run, Files(data=shard), Files(measured=run.paths.measured("dataset", shard)))
    folder = run.paths.experiment / "quality/dataset"
    shown = {"contact_sheet": "contact_sheet.png", "distributions": "distributions.svg", "table": "items.csv"}
    files = outputs(folder, **shown)
    calls: list[Any] = []
    judged_by = quality_judge.judge
    monkeypatch.setattr(quality_judge, "judge", lambda *args, **more: calls.append(1) or judged_by(*args, **more))
    measured = [run.paths.measured("dataset", shard) for shard in run.shards]
    judge(run, Files(measured=measured), files, Files(gate="quality/dataset"))
    verdict = Verdict.read(files.verdict)
    assert len(calls) == 1 and (verdict.scope, verdict.status) == ("dataset", Status.NO_GO)
    assert all(check.evidence[:3] == [files[name] for name in ("contact_sheet", "table", "distributions")]
               for check in verdict.failed)  # fmt: skip
    assert len(Path(files.table).read_text().splitlines()) == 1 + 6 and Image.open(files.contact_sheet).size[0] > 100


def test_the_memory_gates_plan_is_the_one_that_was_judged(stage_run: Callable[..., Run]) -> None:
    run = stage_run("judge_memory", gates={"memory": {"on_no_go": "replan"}})
    files = outputs(run.paths.in_mode / "memory", training="training.json", plan="plan.json", document="plan.md")
    training = run.asked_training.model_copy(update={"micro_batch_size": 8, "precision": "32-true"})
    small = card(9)
    explored = explore(estimator(small), training, small)
    MemoryMeasurements(accelerator=small, explored=explored).write(run.paths.in_mode / "memory/measurements.json")
    judge(run, Files(), files, Files(gate="memory"))
    plan = Plan.model_validate_json(Path(files.plan).read_text())
    assert plan.replanned and plan.training.micro_batch_size < 8
    assert run.training == plan.training, "what follows trains with it"
    assert f"micro-batch {plan.training.micro_batch_size}" in Verdict.read(files.verdict).checks[0].title
