"""What bad input gets from `gonogo check`: one sentence in the script's terms, in time, with nothing left behind."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from gonogo.cli.main import main
from gonogo.script.endings import explain
from gonogo.script.facts import PassFacts, ScriptError
from tests.conftest import ROOT
from tests.script.test_scratch import listing

TRAINS = """
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def train():
    for _ in range(100):
        optimizer.zero_grad(); model(torch.randn(4, 2)).square().mean().backward(); optimizer.step()
"""
BAD = {
    "arguments": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('--data', required=True)\np.parse_args()\n",
        "it needs other arguments: the following arguments are required: --data",
    ),
    "question": ("input('Which GPU? ')\n", 'it asks a question ("Which GPU?")'),
    "never trains": ("print('0 batches found')\n", 'without a training step; the last that it said: "0 batches found"'),
    "catches all": (
        "while True:\n    try:\n        raise KeyError('label')\n    except BaseException as e:\n"
        "        print('error', e)\n        break\n",
        "without a training step; the last that it said: \"error 'label'\"",
    ),
    "forks": (
        TRAINS + "import os\nchild = os.fork()\nif child == 0:\n    train()\n    os._exit(0)\nos.waitpid(child, 0)\n",
        "it started other processes (a copy of itself), which are not watched",
    ),
    "downloads": (
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:1/data.zip')\n",
        "it downloads something, and cannot (URLError",
    ),
    "eight cards": (
        "import torch\nassert torch.cuda.device_count() >= 8\n",
        "it wants other cards than the one that the check gives it (AssertionError at",
    ),
    "slow": ("import time\nprint('reading data')\ntime.sleep(600)\n", "it reached no training step in"),
    "extension": (
        "raise OSError('CUDA_HOME environment variable is not set. Please set it to your CUDA install root.')\n",
        "it needs a CUDA extension that cannot be built or loaded on this machine",
    ),
    "package": ("import no_such_package.sub\n", "it imports no_such_package, which is not installed"),
    "syntax": ("x = = 1\n", "train.py:1 is not valid Python (SyntaxError: invalid syntax"),
    "no script": ("\x00\x01 an image", "is not valid Python (SyntaxError: source code"),
    "file": ("open('data/train.bin')\n", "data/train.bin is not there"),
    "leaves": ("import sys\nsys.exit('no GPU, no training')\n", "it ended itself: no GPU, no training"),
    "crash": ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "crashed below Python (SIGSEGV)"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_in_the_script_s_terms(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text, sentence = BAD[name]
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text(textwrap.dedent(text))
    before = listing(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("COLUMNS", "4000")
    monkeypatch.delenv("CUDA_HOME", raising=False)
    minutes = "0.05" if name == "slow" else "1"
    code = main(["check", "--minutes", minutes, "--steps", "2", "--", "python", "train.py"])
    said = capfd.readouterr()
    assert code == 2 and sentence in said.out, said.out + said.err
    assert "Traceback" not in said.out + said.err and listing(folder) == before
    assert [path.name for path in folder.iterdir()] == ["train.py"]


def test_no_such_script_is_one_line_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--", "python", "nothing.py"]) == 2
    assert capfd.readouterr().err.startswith(f"error: nothing.py: no such script in {tmp_path}; run gonogo check in")


def failed(name: str, message: str, line: str = "") -> PassFacts:
    return PassFacts(
        ending="script_failed", error=ScriptError(name=name, message=message, lines=[line, f"{name}: {message}"])
    )


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [(failed("ModuleNotFoundError", "No module named 'flash_attn'"), "CUDA extension"),
     (failed("RuntimeError", "Error building extension 'fused': [1/2] nvcc"), "CUDA extension"),
     (failed("RuntimeError", "Ninja is required to load C++ extensions"), "CUDA extension"),
     (failed("OSError", "We couldn't connect to 'https://huggingface.co' to load the files"), "downloads something"),
     (failed("RuntimeError", "CUDA error: invalid device ordinal"), "other cards"),
     (failed("ValueError", "WORLD_SIZE must be 8"), "other cards"),
     (failed("MisconfigurationException", "You requested gpu: [0, 1] But your machine only has: [0]"), "other cards"),
     (failed("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"), "of memory"),
     (failed("ZeroDivisionError", "division by zero"), "it ended with ZeroDivisionError: division by zero"),
     (PassFacts(ending="out_of_memory", peak_bytes=19 * 10**9), "it had 19.00 GB when it was stopped"),
     (PassFacts(ending="killed", exit_code=-9), "killed by the system"),
     (failed("SystemExit", "1"), "it ended itself: exit code 1")],
)  # fmt: skip
def test_facts_are_explained(facts: PassFacts, sentence: str) -> None:
    said = explain(facts)
    assert said is not None and sentence in said.why and said.hint


def test_an_error_of_gonogo_s_is_never_said_to_be_the_script_s() -> None:
    facts = failed("TypeError", "unsupported operand")
    assert facts.error is not None
    facts.error.ours = True
    said = explain(facts)
    assert said is not None and said.why.startswith("gonogo itself failed while it watched the script")


def test_a_good_end_needs_no_explanation() -> None:
    assert explain(PassFacts(ending="enough", steps=4)) is None
    assert explain(PassFacts(ending="script_ended", steps=4)) is None
    assert explain(PassFacts(ending="out_of_time", steps=1)) is None
