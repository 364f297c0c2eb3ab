"""The verdicts that stand: the last round of a sample, and nothing after a gate that stopped the work."""

from __future__ import annotations

from pathlib import Path

from gonogo.gates import registry, standing
from gonogo.gates.registry import GATES, Gate
from gonogo.measurements import now
from gonogo.verdict import Check, Override, Status, Verdict, decide

DECISION = Override(experiment="cvs", gate="quality", by="Ada", reason="seen and accepted")


def judged(folder: Path, gate: Gate, status: Status = Status.GO, round: int = 0, **changes: object) -> None:
    check = Check(id="x", title="A thing", value=1, status=status, why="it is bad")
    verdict = decide(
        [check], gate=gate.name, scope=gate.scope, experiment="cvs", measured_at=now(), inputs_digest=""
    ).model_copy(update=changes)
    verdict.write(standing.folder(gate, folder, "fast", round) / "verdict.json")


def titles(verdicts: list[Verdict]) -> list[str]:
    return [verdict.title for verdict in verdicts]


def test_they_come_in_the_order_of_the_gates(tmp_path: Path) -> None:
    for gate in reversed(GATES):
        judged(tmp_path, gate)
    everything = titles(standing.verdicts(tmp_path, "fast"))
    assert everything == [
        "generator", "quality (sample)", "quality (dataset)", "learning", "memory", "launch", "canary", "results",
    ]  # fmt: skip
    assert titles(standing.verdicts(tmp_path, "fast", before="memory")) == everything[:4]
    assert titles(standing.verdicts(tmp_path, "another mode")) == everything[:4]


def test_none_stands_after_one_that_stopped_the_work_or_is_missing(tmp_path: Path) -> None:
    for gate in GATES:
        judged(tmp_path, gate, Status.NO_GO if gate.name == "learning" else Status.GO)
    assert titles(standing.verdicts(tmp_path, "fast"))[-1] == "learning"
    judged(tmp_path, registry.gate("learning"), Status.NO_GO, override=DECISION)
    assert titles(standing.verdicts(tmp_path, "fast"))[-1] == "results", "somebody decided to pass it"
    (standing.folder(registry.gate("quality/dataset"), tmp_path, "fast") / "verdict.json").unlink()
    assert titles(standing.verdicts(tmp_path, "fast"))[-1] == "quality (sample)"


def test_of_a_sample_the_last_round_stands(tmp_path: Path) -> None:
    sample, find = registry.gate("quality/sample"), standing.below(tmp_path, "fast")
    assert standing.rounds(find) == 1 and standing.standing_of(sample, find) is None
    judged(tmp_path, sample, Status.UNKNOWN, more=8)
    assert standing.rounds(find) == 2 and standing.standing_of(sample, find) is None, "more is still to come"
    judged(tmp_path, sample, Status.GO, round=1)
    at = standing.standing_of(sample, find)
    assert at is not None and at.verdict.go and at.folder == tmp_path / "quality/sample_1"
    assert standing.latest(sample, tmp_path, "fast") == at.folder
    judged(tmp_path, sample, Status.UNKNOWN, more=8, override=DECISION)
    assert standing.rounds(find) == 1, "passed by decision, it asks for no more"


def test_an_override_is_for_one_gate_of_one_experiment() -> None:
    assert standing.override_for([DECISION], "cvs", "quality") is DECISION
    assert standing.override_for([DECISION], "cvs", "learning") is None
    assert standing.override_for([DECISION], "eeg", "quality") is None
