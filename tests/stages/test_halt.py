from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from gonogo.base.commands import OPTIONS
from gonogo.gates import registry, standing
from gonogo.measurements import now
from gonogo.runtime.context import Run
from gonogo.stages.halt import halt
from gonogo.verdict import Check, Status, decide
from tests.stages.conftest import Files


def test_a_no_go_is_told_with_what_passed_before_and_how_to_run_again(
    stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(OPTIONS, "--profile cloud")
    run = stage_run("halt")
    for gate in registry.upto("memory"):
        status = Status.NO_GO if gate.name == "memory" else Status.GO
        check = Check(id="x", title="A thing", value=1, status=status, why="the card is too small")
        verdict = decide(
            [check], gate=gate.name, scope=gate.scope, experiment="mine", cause="MEMORY", measured_at=now(),
            inputs_digest="",
        )  # fmt: skip
        file = standing.folder(gate, run.paths.experiment, "mine") / "verdict.json"
        verdict.write(file)
    with pytest.raises(SystemExit) as ended:
        halt(run, Files(verdict=file), Files())
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert "the card is too small" in shown and "negative_result.md" in shown
    document = (file.parent / "negative_result.md").read_text()
    assert "snakemake --profile cloud --config experiments=mine mode=mine target=local" in document
    assert "learning" in document and "It ends." in document
    page = (run.paths.experiment / "report.html").read_text()
    assert str(run.paths.experiment / "report.html") in shown
    assert "The planned training step does not fit the card." in page and "--config experiments=mine mode=mine" in page
    assert "It ends." in page, "the whole story is not in the page"
    assert "Setting expected.statement" in page and "skill above nothing" in page


def test_evidence_of_the_measurement_and_the_fetched_run_is_listed(stage_run: Callable[..., Run]) -> None:
    run = stage_run("halt")
    folder, fetched = run.paths.results, run.config.archive_dir / "mine" / "20260101_r"
    for file, text in {
        folder / "measurements.json": json.dumps({"evidence": [str(run.paths.canary / "canary.txt")]}),
        folder / "contact_sheet.png": "picture", folder / "token": "",
        run.paths.canary / "canary.txt": "log", run.shards[0] / "item_0.txt": "words",
        run.paths.archive: json.dumps({"folder": str(fetched)}),
        fetched / "log.txt": "step 1/2", fetched / "out/checkpoints/best.ckpt": "weights",
    }.items():  # fmt: skip
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    check = Check(id="skill", title="Skill", value=0.0, status=Status.NO_GO, why="none")
    verdict = decide([check], gate="results", experiment="mine", cause="RESULT", measured_at=now(), inputs_digest="")
    verdict.write(folder / "verdict.json")
    with pytest.raises(SystemExit):
        halt(run, Files(verdict=folder / "verdict.json"), Files())
    document = (folder / "negative_result.md").read_text()
    listed = document.split("## Evidence")[1].split("## Storage")[0]
    named = ("verdict.json", "contact_sheet.png", "canary.txt", "log.txt", "best.ckpt", "dataset/shard_0/")
    assert all(f"{name}`" in listed for name in named) and "token`" not in listed, listed
    storage = document.split("## Storage")[1].split("## Costs")[0]
    assert "archive/mine/20260101_r` | 15 bytes | yes | only if its checkpoints" in storage
    assert "results/mine/dataset` | 5 bytes | no | yes: the stage dataset makes it again" in storage
