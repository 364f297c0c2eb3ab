from __future__ import annotations

import pytest

from gonogo.base.known_errors import TROUBLES, hint_for


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
