from __future__ import annotations

import pytest

from gonogo.base.known_errors import TROUBLES, hint_for
from gonogo.cli.config_diff import differences
from gonogo.cli.main import main
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.27 GiB.", "Halve micro_batch_size"),
        ("OSError: [Errno 28] No space left on device", "Free some space"),
        ("RuntimeError: HIP error: invalid device function", "no kernels for the card"),
        ("RuntimeError: Found no NVIDIA driver on your system.", "driver"),
        (r"FileNotFoundError: [Errno 2] No such file or directory: 'W:\\a b\\txt'", "/mnt/w/"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: './checkpoints/stage1.ckpt'",
            "stage before first",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: './data/pointcloud/0001'", "download finished"),
        ("ModuleNotFoundError: No module named 'peft'", "package peft is not installed"),
        ("RuntimeError: size mismatch for a.weight: copying a param", "another model"),
        ("the loss is nan at step 12", "Lower the learning rate"),
        ("OSError: [Errno 24] Too many open files", "num_workers"),
    ],
)
def test_an_errors_text_leads_to_what_helps(error: str, hint: str) -> None:
    assert hint in hint_for(error)


def test_every_trouble_is_sampled_and_others_are_not_guessed_at() -> None:
    assert len(TROUBLES) == 11 and hint_for("ValueError: x must be positive") == ""


def test_what_changed_between_two_configurations() -> None:
    old = {"training": {"micro_batch_size": 4, "accumulate_grad_batches": 16}, "a": 1}
    new = {"training": {"micro_batch_size": 2, "accumulate_grad_batches": 32}, "a": 1, "b": "x"}
    assert differences(old, new) == [
        ("training.micro_batch_size", "4", "2"), ("training.accumulate_grad_batches", "16", "32"), ("b", "–", "x"),
    ]  # fmt: skip
    assert differences(new, new) == []


def test_old_against_new_as_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["compare", "cvs", "cvs_dark"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].count("snakemake --profile local --config experiments=") == 2
    assert any("`settings.data.cameras.orbit`" in line and "origin" in line for line in lines)
    assert not any("image_size" in line for line in lines)
