"""Commands as an experiment: what they produce, and the errors for those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.errors import ProgramError, UserError
from gonogo.config.load import validate
from gonogo.experiment.command import CommandExperiment, NoSettings
from gonogo.experiment.load import load_experiment
from tests.experiment.scripts import command, config, experiment

INDICES = [4, 5, 6]


def nothing(*_: object) -> None:
    return None


# --- data ---


def test_items_are_made_by_index_and_seed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    experiment(tmp_path).generate(INDICES, out, 7, nothing)
    assert sorted(path.name for path in out.iterdir()) == ["item_4.txt", "item_5.txt", "item_6.txt"]
    assert (out / "item_5.txt").read_text() == "item 5 of seed 7"


def test_items_that_were_not_made_are_missed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"command.generate exited with 0, but made no item of kind 'text'"):
        experiment(tmp_path, "nothing").generate(INDICES, tmp_path / "none", 0, nothing)
    with pytest.raises(UserError, match=r"made 2 of 3 items"):
        experiment(tmp_path, "fewer").generate(INDICES, tmp_path / "two", 0, nothing)


def test_a_program_that_fails_is_heard(tmp_path: Path) -> None:
    with pytest.raises(ProgramError) as error:
        experiment(tmp_path, "fails").generate(INDICES, tmp_path / "out", 0, nothing)
    assert "command.generate ended with exit code 3" in str(error.value) and "KeyError: 'colour'" in str(error.value)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = {**command(), "generate": "no-such-program {indices} {out}"}
    with pytest.raises(UserError, match=r"command.generate: 'no-such-program' cannot be run: No such file"):
        experiment(tmp_path, command=missing).generate(INDICES, tmp_path / "out", 0, nothing)
    with pytest.raises(UserError, match=r"code: elsewhere.py is not there"):
        experiment(tmp_path, code=["elsewhere.py"])


# --- results ---


def test_predictions_come_with_their_metrics(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    checkpoint = tmp_path / "last.ckpt"
    assert experiment(tmp_path).predict(checkpoint, [tmp_path], out, 0) == {"skill": 0.5, "error": 2.0}
    assert [path.name for path in out.iterdir()] == ["item_0.txt"]
    for fault, told in (
        ("no_metrics", "left no metrics.json"),
        ("no_skill", "no `skill`"),
        ("text", "numbers by name"),
    ):
        with pytest.raises(UserError, match=told):
            experiment(tmp_path, fault).predict(checkpoint, [tmp_path], out, 0)


# --- what the workflow asks ---


FILES = {
    "repo/make.py": "pass", "repo/train.py": "import helper", "repo/predict.py": "from train import network",
    "repo/memory.py": "import train", "repo/helper.py": "pass", "repo/README.md": "a story", "repo/.git/HEAD": "one",
    "repo/__pycache__/train.cpython-311.pyc": "one", "repo/.ipynb_checkpoints/a.py": "one", "repo/prompts.md": "say",
}  # fmt: skip
LINES = {
    "generate": "python repo/make.py {indices} {out}",
    "train": "python -m repo.train {data} {out}",
    "resume": "--from {checkpoint}",
    "predict": "python ./repo/predict.py {checkpoint} {data} {out}",
}
STAGES = ("generate", "train", "predict")


def own(root: Path, **lines: str) -> CommandExperiment:
    return CommandExperiment("mine", config(command=LINES | lines, code=["repo"], memory="repo.memory:step"), root)


def prints(root: Path, **lines: str) -> list[str]:
    return [own(root, **lines).fingerprint(stage) for stage in STAGES]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("repo/make.py", STAGES),
        ("repo/train.py", ("train", "predict")),
        ("repo/memory.py", ("train", "predict")),
        ("repo/predict.py", ("predict",)),
        ("repo/helper.py", STAGES),  # it may be anybody's
        ("repo/prompts.md", STAGES),  # as this may be
        ("repo/README.md", ()),
        ("repo/.git/HEAD", ()),
        ("repo/.ipynb_checkpoints/a.py", ()),
        ("repo/__pycache__/train.cpython-311.pyc", ()),
    ],
)
def test_an_edit_repeats_what_it_can_change(repo: Path, file: str, stages: tuple[str, ...]) -> None:
    before = prints(repo)
    (repo / file).write_text(FILES[file] + "  # edited")
    repeated = [stage for stage, old, new in zip(STAGES, before, prints(repo), strict=True) if old != new]
    assert tuple(repeated) == stages


def test_predictions_that_training_imports_are_part_of_it(repo: Path) -> None:
    (repo / "repo/helper.py").write_text("from repo import predict")
    assert repo / "repo/predict.py" in own(repo).source_files_of("train")


def test_other_words_of_predict_repeat_no_training(repo: Path) -> None:
    before = prints(repo)
    assert prints(repo, predict=LINES["predict"] + " --batch 4")[:2] == before[:2]
    assert prints(repo, predict=LINES["predict"] + " --batch 4")[2] != before[2]
    assert prints(repo, resume="--from={checkpoint}")[0] == before[0]
    assert prints(repo, resume="--from={checkpoint}")[1] != before[1]


def test_what_goes_to_the_machine_is_neither_hidden_nor_a_cache(repo: Path) -> None:
    names = [file.relative_to(repo).as_posix() for file in own(repo).source_files()]
    assert names == sorted(name for name in FILES if "/." not in name and "__pycache__" not in name)


def test_it_is_found_by_its_commands(tmp_path: Path) -> None:
    experiment(tmp_path)
    found = load_experiment("mine", config(), tmp_path)
    assert isinstance(found, CommandExperiment) and found.kind == "text" and found.import_root() == tmp_path
    with pytest.raises(UserError, match=r"settings.width: unknown key"):
        validate(NoSettings, {"width": 3}, "mine.yaml", "settings")
