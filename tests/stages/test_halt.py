from __future__ import annotations

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
