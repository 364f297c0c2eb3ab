"""Command lines in a config: what is filled in, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.command import Command, filled
from gonogo.config.load import load_experiment
from tests.experiment.scripts import command


def test_values_with_blanks_and_quotes_stay_one_word() -> None:
    line = "python 'my script.py' {data} --out={out} --note '{{\"a\": {seed}}}'"
    data = [Path("/a b/shard_0"), Path("/a b/shard_1")]
    words = filled(line, {"out": Path('/tmp/it\'s "here"'), "seed": 3}, data)
    assert words == [
        "python", "my script.py", "/a b/shard_0", "/a b/shard_1", '--out=/tmp/it\'s "here"', "--note", '{"a": 3}',
    ]  # fmt: skip


def said(tmp_path: Path, **changes: object) -> str:
    whole = {"command": command(), "kind": "text", "code": ["my"], **changes}
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({key: value for key, value in whole.items() if value is not None})
    )
    with pytest.raises(UserError) as error:
        load_experiment(tmp_path, "mine")
    return str(error.value)


def test_what_cannot_be_filled_is_named(tmp_path: Path) -> None:
    def train(line: str) -> str:
        return said(tmp_path, command={**command(), "train": line})

    assert "command.train" in train("run {dat} {out}") and "unknown placeholder {dat}; allowed: {data}" in train(
        "r {dat}"
    )
    assert "{data} missing: the command could not know where the data is made" in train("run {out}")
    assert "{data} must stand alone" in train("run --data={data} {out}")
    assert "quotation" in train("run 'open {data} {out}").lower()
    assert "takes no format" in train("run {data} {out} {seed:04d}")
    assert "brace" in train("run {data} {out} '{\"a\": 1}'")
    assert "no words" in train("  ")
    assert "unknown placeholder {data}" in said(tmp_path, command={**command(), "generate": "g {out} {indices} {data}"})
    assert "'tran'; did you mean 'train'?" in said(tmp_path, command={**command(), "tran": "x"})


def test_a_class_or_commands_and_never_both(tmp_path: Path) -> None:
    assert "`class` and `command` are both given" in said(tmp_path, **{"class": "a.b:C"})
    assert "give `class`" in said(tmp_path, command=None, kind=None, code=None)
    assert "needs `kind`" in said(tmp_path, kind=None)
    assert "memory: only with `command`" in said(
        tmp_path, **{"class": "a.b:C", "command": None, "kind": None, "code": None, "memory": "a:b"}
    )
    assert "a metric, only with `class`" in said(tmp_path, watch={"psnr_db": {"by_epoch": 3, "at_least": 20}})
    assert "code: ../elsewhere must lie in the repository" in said(tmp_path, code=["../elsewhere"])


def test_names_of_checkpoints_are_the_usual_ones_of_a_script_that_is_watched() -> None:
    def saves(**more: object) -> tuple[str, ...]:
        return Command.model_validate({"train": "t {data} {max_steps}", **more}).saves

    assert saves(generate="g {out} {indices}") == () and {"*.pt", "checkpoint-*/"} <= set(saves())
    assert saves(checkpoints=["save/*.bin"]) == ("save/*.bin",)
    for pattern in ("../*.pt", "/tmp/*.pt", "a//b", "", "./*.pt"):
        with pytest.raises(ValueError, match=r"relative to where the script writes"):
            saves(checkpoints=[pattern])
