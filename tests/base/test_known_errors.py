from __future__ import annotations

import pytest

from gonogo.base.known_errors import KNOWN_ERRORS, hint_for, known_error

SAMPLES = [
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9.27 GiB.", "Halve micro_batch_size"),
    ("OSError: [Errno 28] No space left on device", "Free some space"),
    ("RuntimeError: HIP error: invalid device function", "build for its architecture"),
    ("RuntimeError: Found no NVIDIA driver on your system.", "Update the driver"),
    (r"FileNotFoundError: [Errno 2] No such file or directory: 'W:\\a b\\txt'", "/mnt/w/"),
    (
        "FileNotFoundError: [Errno 2] No such file or directory: './checkpoints/stage1.ckpt'",
        "earlier stage first",
    ),
    ("FileNotFoundError: [Errno 2] No such file or directory: './data/pointcloud/0001'", "download is complete"),
    ("ModuleNotFoundError: No module named 'peft'", "Install peft"),
    ("RuntimeError: size mismatch for a.weight: copying a param", "gonogo compare"),
    ("the loss is nan at step 12", "Lower the learning rate"),
    ("OSError: [Errno 24] Too many open files", "num_workers"),
    ("HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory", "gonogo health"),
    ("UserWarning: Attempting to use hipBLASLt on an unsupported architecture!", "Slower products"),
    ("The 'train_dataloader' does not have many workers which may be a bottleneck", "Raise num_workers"),
    ("ImportError: cannot import name 'Tensor' from 'torch'", "requirements.lock"),
    ("Segmentation fault (core dumped)", "gonogo health"),
]


@pytest.mark.parametrize(("error", "hint"), SAMPLES)
def test_an_errors_text_leads_to_what_helps(error: str, hint: str) -> None:
    assert hint in hint_for(error)


def test_every_known_error_is_sampled_and_others_are_not_guessed_at() -> None:
    found = [known_error(error) for error, _ in SAMPLES]
    assert {known.pattern for known in found if known} == {known.pattern for known in KNOWN_ERRORS}
    assert hint_for("ValueError: x must be positive") == ""
    assert hint_for("FileNotFoundError: [Errno 2] No such file or directory: 'a.ckpt'").endswith("{checkpoint: FILE}.")
