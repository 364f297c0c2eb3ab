"""An experiment that starts from another brings it along; what is missing or goes round in a circle is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.cli.next_actions import actions, as_text
from gonogo.config.load import Settings, load
from gonogo.experiment.starting_checkpoint import start_of, waiting
from gonogo.gates import registry, standing
from gonogo.gates.registry import Gate
from gonogo.measurements import now
from gonogo.verdict import Check, Status, decide

STAGES = ["cad_mllm_text", "cad_mllm_points", "cad_mllm"]


@pytest.fixture
def site(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(root / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(site: Path, name: str, **keys: object) -> None:
    (site / f"config/experiments/{name}.yaml").write_text(yaml.safe_dump({"extends": "cvs", **keys}))


def loaded(site: Path, *names: str) -> Settings:
    return load({"experiments": list(names)}, site)


def verdict(site: Path, experiment: str, gate: Gate, status: Status) -> None:
    check = Check(id="x", title="A thing", value=1, status=status, why="it is bad", hint="mend it")
    made = decide(
        [check], gate=gate.name, experiment=experiment, cause="DATA", scope=gate.scope, measured_at=now(),
        inputs_digest="0",
    )  # fmt: skip
    made.write(standing.folder(gate, site / "results" / experiment, "validate") / "verdict.json")


def test_naming_the_last_stage_brings_those_before_it(site: Path) -> None:
    assert list(loaded(site, "cad_mllm").experiments) == STAGES
    assert list(loaded(site, "cad_mllm_text").experiments) == STAGES[:1]
    assert list(loaded(site, "cad_mllm", "cvs", "cad_mllm_points").experiments) == [*STAGES, "cvs"]


def test_starting_at_the_second_stage_from_a_file_skips_the_first(site: Path) -> None:
    (site / "stage1.ckpt").touch()
    write(site, "second", extends="cad_mllm_points", starts_from={"checkpoint": "stage1.ckpt"})
    settings = loaded(site, "second")
    assert list(settings.experiments) == ["second"] and start_of(settings, "second") == site / "stage1.ckpt"


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({"starts_from": "cad_mlm"}, "starts_from: unknown 'cad_mlm'; did you mean 'cad_mllm'"),
        ({"starts_from": "mine"}, "starts_from: mine → mine is a circle"),
        ({"starts_from": {"checkpoint": "gone.ckpt"}}, "starts_from.checkpoint: gone.ckpt: no such file"),
    ],
)
def test_what_cannot_be_started_from_is_named(site: Path, keys: dict[str, object], wrong: str) -> None:
    write(site, "mine", **keys)
    with pytest.raises(UserError, match=wrong):
        loaded(site, "mine")


def test_a_longer_circle_is_named_in_order(site: Path) -> None:
    write(site, "one", starts_from="two")
    write(site, "two", starts_from="one")
    with pytest.raises(UserError, match="one → two → one is a circle"):
        loaded(site, "one")


def test_what_an_earlier_stage_left_is_what_the_next_begins_with(site: Path) -> None:
    settings = loaded(site, "cad_mllm_points")
    assert start_of(settings, "cad_mllm_points") is None and start_of(settings, "cad_mllm_text") is None
    kept = site / "archive/a/out/checkpoints"
    kept.mkdir(parents=True)
    (kept / "last.ckpt").touch()
    report = site / "results/cad_mllm_text/validate/download/archive.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"folder": str(site / "archive/a")}))
    assert start_of(settings, "cad_mllm_points") == kept / "last.ckpt"


def test_who_waits_is_told_for_what(site: Path) -> None:
    settings = loaded(site, "cad_mllm")
    assert waiting(settings) == []
    for gate in registry.GATES:
        verdict(site, "cad_mllm_text", gate, Status.GO)
        assert waiting(settings) == []
    verdict(site, "cad_mllm_text", registry.gate("results"), Status.NO_GO)
    first, second = waiting(settings)
    assert first.startswith(
        "cad_mllm_points has not been trained: it starts from cad_mllm_text, which the results gate"
    )
    assert second == "cad_mllm has not been trained: it starts from cad_mllm_points, which waits for cad_mllm_text"


def test_what_can_be_done_now(site: Path) -> None:
    names = ["cad_mllm_text", "cad_mllm_points", "cad_mllm_no_points", "cad_mllm_8b", "cvs"]
    (site / "resources/photographs").mkdir(parents=True)
    states = {action.experiment: action for action in actions(site, names)}
    assert states["cad_mllm_text"].state == "can run" and "experiments=cad_mllm_text" in states["cad_mllm_text"].what
    assert states["cad_mllm_points"].why == "runs cad_mllm_text first"
    assert states["cad_mllm_no_points"].state == "blocked" and "points: no files" in states["cad_mllm_no_points"].what
    assert states["cad_mllm_8b"].state == "blocked" and "huggingface.co" in states["cad_mllm_8b"].what
    verdict(site, "cvs", registry.gate("generator"), Status.GO)
    verdict(site, "cvs", registry.gate("quality/sample"), Status.NO_GO)
    stopped = actions(site, ["cvs"])[0]
    assert (stopped.state, stopped.what) == ("stopped", "mend it") and "DATA" in stopped.why
    text = as_text([*states.values(), stopped])
    assert text.index("can run:") < text.index("stopped:") < text.index("blocked:")
