"""Commands as an experiment: what they produce, and the errors for those that do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gonogo.base.errors import ProgramError, UserError
from gonogo.config.experiment import Smoke, Training
from gonogo.config.gate_thresholds import LearningGate, MemoryGate
from gonogo.config.load import load_accelerator, validate
from gonogo.experiment.command import CommandExperiment, NoSettings
from gonogo.experiment.load import load_experiment
from gonogo.learning.judge import judge
from gonogo.learning.rehearse import rehearse
from gonogo.memory.judge import Measurements as MemoryMeasurements
from gonogo.memory.judge import judge as judge_memory
from gonogo.memory.plan_search_process import PlanSearch, explored_here
from gonogo.memory.step import step_of
from gonogo.training.run import train
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Check, Status
from tests.conftest import ROOT
from tests.experiment.scripts import command, config, experiment, spec

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
    with pytest.raises(UserError, match=r"command.generate ended well, and made no item of kind 'text'"):
        experiment(tmp_path, "nothing").generate(INDICES, tmp_path / "none", 0, nothing)
    with pytest.raises(UserError, match=r"made 2 of the 3 items"):
        experiment(tmp_path, "fewer").generate(INDICES, tmp_path / "two", 0, nothing)


def test_a_program_that_fails_is_heard(tmp_path: Path) -> None:
    with pytest.raises(ProgramError) as error:
        experiment(tmp_path, "fails").generate(INDICES, tmp_path / "out", 0, nothing)
    assert "command.generate ended with exit code 3" in str(error.value) and "KeyError: 'colour'" in str(error.value)
    with pytest.raises(ProgramError, match="signal 11"):
        train(experiment(tmp_path, "killed"), spec(tmp_path), tmp_path / "run", nothing)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = {**command(), "generate": "no-such-program {indices} {out}"}
    with pytest.raises(UserError, match=r"command.generate: 'no-such-program' cannot be run: No such file"):
        experiment(tmp_path, command=missing).generate(INDICES, tmp_path / "out", 0, nothing)
    with pytest.raises(UserError, match=r"code: elsewhere.py is not there"):
        experiment(tmp_path, code=["elsewhere.py"])


# --- training ---


def test_a_run_is_told_its_words_and_read_from_its_metrics(tmp_path: Path) -> None:
    said: list[str] = []
    result = train(experiment(tmp_path), spec(tmp_path), tmp_path / "a run", said.append)
    words = json.loads((tmp_path / "a run/words.json").read_text())
    assert words == ["30", str(tmp_path / "a shard"), str(tmp_path / "another"), "--lr=0.5"]
    assert (result.steps, len(result.train_loss), result.val_steps) == (30, 30, [10, 20, 30])
    assert result.finite and result.peak_memory_bytes > 1e6 and result.median_step_s > 0
    assert "at 30" in said and said[-1].startswith("step 30/30  loss 0.3226")


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    own, out = experiment(tmp_path), tmp_path / "run"
    train(own, spec(tmp_path), out, nothing)
    result = train(own, spec(tmp_path), out, nothing, checkpoint=out / "checkpoints/last.ckpt")
    assert result.train_steps[0] == 31 and result.steps == 60
    assert (out / "metrics_1.csv").read_text().splitlines()[1].startswith("1,")
    once = experiment(tmp_path, command={**command(), "resume": ""})
    assert own.resumes and not once.resumes
    with pytest.raises(UserError, match=r"command.resume is not given"):
        train(once, spec(tmp_path), out, nothing, checkpoint=out / "checkpoints/last.ckpt")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("silent", r"left no metrics.csv"),
        ("columns", r"no column 'step'; its first line is 'iteration,loss'"),
        ("words", r"train_loss 'low' is not a number, at step"),
        ("no_checkpoint", r"left neither best.ckpt nor last.ckpt"),
        ("odd_name", r"there are epoch_3.ckpt"),
    ],
)
def test_a_run_that_leaves_too_little_is_refused(tmp_path: Path, fault: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        train(experiment(tmp_path, fault), spec(tmp_path, fault), tmp_path / "run", nothing)


def test_a_loss_that_is_no_number_ends_the_program(tmp_path: Path) -> None:
    result = train(experiment(tmp_path, "nan"), spec(tmp_path), tmp_path / "run", nothing)
    assert not result.finite and result.stopped == "train_loss is nan at step 5"
    assert result.wall_s < 40  # the program itself would sleep for a minute


def test_a_run_is_cut_at_its_minutes(tmp_path: Path) -> None:
    slow = {**command(), "train": "python my/slow.py {data} {out}"}
    own = experiment(tmp_path, command=slow)
    (tmp_path / "my/slow.py").write_text(
        "import sys, time\nlog = open(sys.argv[-1] + '/metrics.csv', 'w', buffering=1)\n"
        "print('step,train_loss', file=log)\n"
        "for step in range(1, 10000): print(f'{step},{1 / step}', file=log), time.sleep(0.02)\n"
    )
    result = train(own, spec(tmp_path, max_minutes=0.05), tmp_path / "run", nothing)
    assert 1 < result.steps < 9999 and result.stopped == "cut after 0.05 min" and result.finite
    assert 0.02 <= result.median_step_s < 0.5


def on_the_machine(root: Path, fault: str, *options: str) -> subprocess.CompletedProcess[str]:
    experiment(root, fault)
    run = spec(root, fault).model_copy(update={"experiment_config": config(fault)})
    (root / "run.json").write_text(run.model_dump_json(by_alias=True))
    words = [sys.executable, "-m", "gonogo.stages.train", "run.json", "out", *options]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_machine_trains_it_with_the_same_exit_codes(tmp_path: Path) -> None:
    done = on_the_machine(tmp_path, "ok", "--max-steps", "12", "--changes", '{"training": {"learning_rate": 0.25}}')
    assert done.returncode == 0, done.stderr
    assert "\nstep 12/12  loss " in done.stdout
    assert TrainingResult.model_validate_json((tmp_path / "out/training.json").read_text()).steps == 12
    assert json.loads((tmp_path / "out/words.json").read_text())[-1] == "--lr=0.25"
    assert on_the_machine(tmp_path, "nan").returncode == 3
    done = on_the_machine(tmp_path, "fails")
    assert done.returncode == 1 and "KeyError: 'colour'" in done.stdout and "Traceback" not in done.stderr
    assert on_the_machine(tmp_path, "killed").returncode == -11  # so that the agent sees a signal


# --- the gates ---


def rehearsed(root: Path, fault: str) -> tuple[dict[str, Check], str]:
    measured, result, speed = rehearse(
        experiment(root, fault), spec(root, fault), Smoke(), root / "smoke", nothing, nothing, LearningGate()
    )
    assert (speed.train_samples, len(result.train_loss)) == (20, result.steps)
    checks, cause = judge(type(measured).model_validate_json(measured.model_dump_json()), LearningGate())
    return {check.id: check for check in checks}, cause


def test_falling_losses_are_never_green(tmp_path: Path) -> None:
    checks, cause = rehearsed(tmp_path, "ok")
    assert cause == ""
    assert {name for name, check in checks.items() if check.status is Status.CAUTION} == {
        "input_used", "gradients", "leakage", "skill",
    }  # fmt: skip
    assert checks["skill"].why == "not judged: a command shows only its losses"
    assert checks["train_loss_falls"].status is checks["val_loss_falls"].status is Status.GO


def test_losses_that_do_not_fall_stop_it(tmp_path: Path) -> None:
    checks, cause = rehearsed(tmp_path, "flat")
    assert checks["train_loss_falls"].status is Status.NO_GO and cause == "LOSS"
    assert "does not fall beyond its noise" in checks["train_loss_falls"].why


def test_a_nan_in_the_rehearsal_is_a_no_go(tmp_path: Path) -> None:
    measured, _, _ = rehearse(
        experiment(tmp_path, "nan"),
        spec(tmp_path, "nan"),
        Smoke(),
        tmp_path / "smoke",
        nothing,
        nothing,
        LearningGate(),
    )
    checks, cause = judge(measured, LearningGate())
    assert checks[0].status is Status.NO_GO and checks[0].why == "train_loss is nan at step 5" and cause == "DIVERGING"


def test_the_memory_gate_traces_the_entry_point(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no `memory:` entry point is given"):
        step_of(experiment(tmp_path), Training())
    told = {**command(), "train": command()["train"] + " {precision} {accumulate_grad_batches}"}
    training = Training(micro_batch_size=3, accumulate_grad_batches=2, precision="bf16-mixed")
    step = step_of(experiment(tmp_path, memory="tests.experiment.entry:step", command=told), training)
    assert (step.micro_batch_size, step.accumulate_grad_batches, step.precision) == (3, 2, "bf16-mixed")
    step = step_of(experiment(tmp_path, memory="tests.experiment.entry:step"), training)
    assert (step.accumulate_grad_batches, step.precision) == (1, "32-true")  # the script receives neither


def test_without_an_entry_point_the_memory_gate_says_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment(tmp_path)
    monkeypatch.chdir(tmp_path)
    cards = {"cpu": load_accelerator(ROOT / "config", "cpu"), "h100": load_accelerator(ROOT / "config", "h100")}

    def judged(card: str, **changes: str) -> Check:
        task = PlanSearch(
            experiment="mine", experiment_config=config(**changes), training=Training(), accelerator=cards[card]
        )
        (check, *_), _ = judge_memory(
            MemoryMeasurements(accelerator=cards[card], explored=explored_here(task)), MemoryGate()
        )
        return check

    check = judged("cpu")
    assert check.status is Status.UNKNOWN and "no `memory:` entry point is given" in check.why
    assert judged("h100", memory="tests.experiment.entry:step").status is Status.GO


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
