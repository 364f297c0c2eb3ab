"""What an error's text means, and what to do: for errors that come from below, in words that are not ours."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Trouble:
    """Errors whose text the pattern finds, and what helps, the likeliest first."""

    pattern: str
    hint: str


TROUBLES = (
    Trouble(
        r"out of memory|OutOfMemoryError",
        "Halve micro_batch_size and double accumulate_grad_batches; then turn gradient checkpointing on; then shorten "
        "the sequences. Look for other processes on the card (nvidia-smi, rocm-smi).",
    ),
    Trouble(
        r"No space left on device|disk is full|ENOSPC",
        "Free some space, or choose another results_dir; what was half written is not kept.",
    ),
    Trouble(
        r"HSA_STATUS_ERROR|hipErrorNoBinaryForGpu|invalid device function|no kernel image is available",
        "This build of torch has no kernels for the card: install the build for its architecture, or run on the "
        "processor (target: local).",
    ),
    Trouble(
        r"CUDA driver version is insufficient|Found no NVIDIA driver",
        "The card's driver is older than this torch wants, or is not there: update the driver, or take an older torch.",
    ),
    Trouble(
        r"No such file or directory: '[A-Za-z]:\\",
        "A Windows path, read where drives are mounted: write /mnt/w/… for W:\\… , or give it in the configuration, "
        "which maps it.",
    ),
    Trouble(
        r"No such file or directory: .*(checkpoint|\.ckpt)",
        "Train the stage before first, or name its checkpoint: starts_from: {checkpoint: FILE}.",
    ),
    Trouble(
        r"No such file or directory|FileNotFoundError",
        "Is the download finished, is the path counted from the repository's root? `gonogo next` says what is missing.",
    ),
    Trouble(
        r"No module named '(?P<name>[\w.]+)'",
        "The package {name} is not installed in this environment: pip install '.[dev]', or the experiment's own extra.",
    ),
    Trouble(
        r"size mismatch for|Missing key\(s\) in state_dict|Unexpected key\(s\) in state_dict",
        "The checkpoint is of another model: compare its settings with the configuration's (gonogo compare).",
    ),
    Trouble(
        r"loss is (nan|inf)|contains? NaN",
        "Lower the learning rate by 10, and look for NaN in the data; on fp16 take bf16 where the card has it.",
    ),
    Trouble(
        r"Too many open files|received 0 items of ancdata",
        "Set num_workers to 0, or raise the limit: ulimit -n 4096.",
    ),
)  # fmt: skip


def hint_for(text: str) -> str:
    """What helps against an error with this text; empty where it is not known."""
    for trouble in TROUBLES:
        if found := re.search(trouble.pattern, text, re.IGNORECASE):
            return trouble.hint.format(**found.groupdict()) if found.groupdict() else trouble.hint
    return ""
