"""The words after `--`: what is run, and one sentence for everything that cannot be."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.script.command import read_command
from gonogo.script.request import ScriptCommand


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print('training')\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/__init__.py").touch()
    (tmp_path / "pkg/train.py").touch()
    return tmp_path


def read(folder: Path, line: str) -> ScriptCommand:
    return read_command(line.split(), folder)


@pytest.mark.parametrize(
    "line",
    ["python train.py --lr 1", "train.py --lr 1", "./train.py --lr 1", "python3 -u train.py --lr 1",
     f"{sys.executable} train.py --lr 1", "nohup nice -n 5 python train.py --lr 1", "uv run python train.py --lr 1",
     "env -u OLD python train.py --lr 1"],
)  # fmt: skip
def test_a_script_is_found_behind_python_and_what_stands_before_it(folder: Path, line: str) -> None:
    command = read(folder, line)
    assert Path(command.path) == Path("train.py") and command.arguments == ["--lr", "1"] and not command.module
    assert command.words == line.split() and command.processes == 1


def test_options_of_python_that_the_script_may_depend_on_are_kept(folder: Path) -> None:
    command = read(folder, "python -uX dev -Wignore -I train.py -X mine")
    assert command.interpreter_options == ["-u", "-X", "dev", "-W", "ignore"] and command.arguments == ["-X", "mine"]
    assert read(folder, "python -OO -um pkg.train a").interpreter_options == ["-O", "-O", "-u"]


def test_a_module_is_a_module(folder: Path) -> None:
    command = read(folder, "python -m pkg.train --lr 1")
    assert (command.module, command.path, command.arguments) == ("pkg.train", "", ["--lr", "1"])


def test_the_environment_before_the_command_is_its_own(folder: Path) -> None:
    command = read(folder, "CUDA_VISIBLE_DEVICES=0 env A=b=c python train.py D=e")
    assert command.environment == {"CUDA_VISIBLE_DEVICES": "0", "A": "b=c"} and command.arguments == ["D=e"]


@pytest.mark.parametrize(
    ("line", "processes"),
    [("torchrun --standalone --nproc_per_node=8 train.py --lr 1", 8),
     ("torchrun --nnodes 1:4 --nproc-per-node 2 --rdzv-backend c10d train.py --lr 1", 8),
     ("python -m torch.distributed.run --nproc_per_node gpu train.py --lr 1", 1),
     ("deepspeed --num_gpus=4 --no_local_rank train.py --lr 1", 4),
     ("fabric run --devices 2 train.py --precision=bf16-mixed --lr 1", 2)],
)  # fmt: skip
def test_a_launcher_says_how_many_processes_it_starts(folder: Path, line: str, processes: int) -> None:
    command = read(folder, line)
    assert (command.path, command.arguments, command.processes) == ("train.py", ["--lr", "1"], processes)
    assert command.launcher and bool(command.notes) == ("node gpu" in line)


def test_torchrun_starts_modules_and_deepspeed_hands_on_a_rank(folder: Path) -> None:
    assert read(folder, "torchrun -m pkg.train --lr 1").module == "pkg.train"
    assert read(folder, "deepspeed train.py").arguments == ["--local_rank=0"]


def test_fabric_hands_its_options_on_in_the_environment(folder: Path) -> None:
    command = read(folder, "fabric run train.py --precision=bf16-mixed --accelerator cuda")
    assert command.environment["LT_PRECISION"] == "bf16-mixed" and command.environment["LT_ACCELERATOR"] == "cuda"


def test_accelerate_sets_its_environment_itself(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(folder / "no configuration here"))
    command = read(folder, "accelerate launch --mixed_precision bf16 --num_processes 8 --use_fsdp train.py --lr 1")
    assert (command.path, command.arguments, command.processes) == ("train.py", ["--lr", "1"], 8)
    assert command.environment["ACCELERATE_MIXED_PRECISION"] == "bf16"
    assert command.environment["ACCELERATE_USE_CPU"] == "False"
    assert "OMP_NUM_THREADS" not in command.environment and "ACCELERATE_USE_FSDP" not in command.environment
    assert command.notes == ["fsdp: left out, one process holds the whole model"]


def test_what_accelerate_refuses_is_said_in_its_words(folder: Path) -> None:
    with pytest.raises(UserError, match=r"accelerate launch cannot be read: .*mixed_precision.* 'none'"):
        read(folder, "accelerate launch --num_processes 1 --mixed_precision none train.py")


def test_an_installed_command_is_run_from_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = folder / "bin" / "my-train"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''\nimport sys\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    command = read(folder, "my-train --lr 1")
    assert (command.path, command.arguments) == (str(tool), ["--lr", "1"])
    tool.write_text("#!/usr/bin/env perl\n")
    with pytest.raises(UserError, match="my-train is no Python program; write the Python command"):
        read(folder, "my-train --lr 1")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [("", "needs the command that trains"),
     ("A=b", "names no program"),
     ("python", "starts a prompt"),
     ("python -c pass", "runs code that is in no file"),
     ("python nothing.py", "nothing.py: no such script in .*; run gonogo check in the folder"),
     ("python pkg", "pkg: a folder without __main__.py"),
     ("python deep.py", "deep.py exists: run gonogo check in .*/src"),
     ("python -m nothing.train", "no module named nothing"),
     ("python9.9 train.py", "python9.9: no such interpreter"),
     ("torchrun --nproc_per_node 2", "without a script"),
     ("torchrun --no-python train.py", "may run any program"),
     ("accelerate config", "trains nothing; write `accelerate launch"),
     ("nothing --lr 1", "nothing: no such program or script; write the Python command"),
     ("srun -n 8 python train.py", "srun.*; leave it out: gonogo check -- python train.py"),
     ("ls train.py", "ls is no Python program"),
     ("bash run.sh", "run.sh is a shell script.*: gonogo check -- python train.py --lr 1$"),
     ("./run.sh", r"run.sh is a shell script"),
     ("sh two.sh", "it has 2 of them"),
     ("sh vars.sh", r"with its variables filled in: gonogo check -- torchrun train.py --lr \$LR$"),
     ("bash none.sh", "none.sh: no such script"),
     ("python book.ipynb", "a notebook; save its code")],
)  # fmt: skip
def test_everything_else_is_one_sentence_that_says_what_to_write(folder: Path, line: str, sentence: str) -> None:
    (folder / "run.sh").write_text("#!/usr/bin/env bash\n# python old.py\ncd x\npython train.py \\\n    --lr 1\n")
    (folder / "two.sh").write_text("python a.py\nCUDA_VISIBLE_DEVICES=0 python b.py\n")
    (folder / "vars.sh").write_text("LR=1\ntorchrun train.py --lr $LR\n")
    (folder / "book.ipynb").write_text("{}")
    (folder / "src").mkdir()
    (folder / "src/deep.py").touch()
    with pytest.raises(UserError, match=sentence) as caught:
        read(folder, line)
    assert "\n" not in str(caught.value)


def test_another_interpreter_than_ours_is_refused_with_what_to_do(folder: Path) -> None:
    other = folder / "venv/bin/python"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\necho /somewhere/else\n")
    other.chmod(0o755)
    with pytest.raises(UserError, match=f"install it there .{other} -m pip install gonogo. and run that one"):
        read(folder, f"{other} train.py")
    with pytest.raises(UserError, match="install it there"):
        read(folder, "venv/bin/python train.py")
