"""What the text of an error means, and what helps: for errors of libraries and devices, in words that are not ours."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple


class KnownError(NamedTuple):
    """Errors that a text shows."""

    pattern: re.Pattern[str]  # what finds them, whatever the case
    # of the run that logs it: NO_GO where it cannot go on as it is, CAUTION where it may
    status: Literal["NO_GO", "CAUTION"]
    meaning: str  # what happened
    hint: str  # what helps, the likeliest first; may name the pattern's groups


def _known(pattern: str, status: Literal["NO_GO", "CAUTION"], meaning: str, hint: str) -> KnownError:
    return KnownError(re.compile(pattern, re.IGNORECASE), status, meaning, hint)


# the first that fits counts
KNOWN_ERRORS = (
    _known(
        r"\bnan\b|\bloss (is )?-?inf", "NO_GO", "the loss or a metric is NaN or infinite",
        "Lower the learning rate by 10, and look for NaN in the data; on fp16 take bf16 where the card has it.",
    ),
    _known(
        r"out of memory|OutOfMemoryError|bad_alloc", "NO_GO", "out of memory",
        "Halve micro_batch_size and double accumulate_grad_batches; then turn gradient checkpointing on; then shorten "
        "the sequences. Look for other processes on the card (nvidia-smi, rocm-smi).",
    ),
    _known(
        r"No space left on device|disk is full|ENOSPC", "NO_GO", "the disk is full, so no checkpoint is kept",
        "Free some space, or choose another results_dir; half-written files are not kept.",
    ),
    _known(
        r"HSA_STATUS_ERROR_INVALID_ISA|hipErrorNoBinaryForGpu|invalid device function|no kernel image is available",
        "CAUTION", "this build of torch has no kernels for the card",
        "Install the build for its architecture, or run on the CPU (target: local).",
    ),
    _known(
        r"HSA_STATUS_ERROR|illegal memory access|Memory access fault by GPU", "CAUTION", "the device faulted",
        "The run ends there, and goes on only where it has a fallback. `gonogo health` tests the device.",
    ),
    _known(
        r"CUDA driver version is insufficient|Found no NVIDIA driver", "CAUTION", "the driver is too old or missing",
        "Update the driver, or install an older torch.",
    ),
    _known(
        r"hipBLASLt.*(unsupported|not supported|fall|attempting)", "CAUTION", "hipBLASLt does not support this card",
        "Slower products are used instead; their results are right.",
    ),
    _known(
        r"dataloader.*(bottleneck|does not have many workers)", "CAUTION", "batches are loaded too slowly",
        "Raise num_workers.",
    ),
    _known(
        r"No such file or directory: '[A-Za-z]:\\", "NO_GO", "a Windows path was read on another system",
        "Write /mnt/w/… for W:\\… , or give the path in the configuration, which maps it.",
    ),
    _known(
        r"No such file or directory: .*(checkpoint|\.ckpt)", "NO_GO", "a checkpoint is not there",
        "Train the earlier stage first, or name its checkpoint: starts_from: {{checkpoint: FILE}}.",
    ),
    _known(
        r"No such file or directory|FileNotFoundError", "NO_GO", "a file is not there",
        "Check that the download is complete and that the path is relative to the repository's root. `gonogo next` "
        "says what is missing.",
    ),
    _known(
        r"No module named '(?P<name>[\w.]+)'", "NO_GO", "a package is missing",
        "Install {name}, or the extra of gonogo that brings it (pip install 'gonogo[workflow]'); a machine installs "
        "requirements-train.lock.",
    ),
    _known(
        r"ModuleNotFoundError|ImportError|cannot import name", "NO_GO", "a package is missing or of another version",
        "Compare the installed versions with requirements.lock.",
    ),
    _known(
        r"size mismatch for|(Missing|Unexpected) key\(s\) in state_dict", "NO_GO", "the checkpoint is of another model",
        "Compare its settings with the configuration's (gonogo compare).",
    ),
    _known(
        r"Too many open files|received 0 items of ancdata", "NO_GO", "too many files are open",
        "Set num_workers to 0, or raise the limit: ulimit -n 4096.",
    ),
    _known(
        r"segmentation fault|SIGSEGV|core dumped", "NO_GO", "a crash below Python",
        "Test the device with `gonogo health`, and report the crash with its log.",
    ),
)  # fmt: skip


ENDS_CHARACTERS = 4096


def ends_of(text: str, characters: int = ENDS_CHARACTERS) -> str:
    """The text; of a long one its two ends, on lines of their own: a pattern with `.*` takes the square of a line."""
    if len(text) <= 2 * characters:
        return text
    return f"{text[:characters]}\n{text[-characters:]}"


def known_error(text: str) -> KnownError | None:
    """The first that the text shows, its hint filled in."""
    text = ends_of(text)
    for known in KNOWN_ERRORS:
        if match := known.pattern.search(text):
            return known._replace(hint=known.hint.format(**match.groupdict()))
    return None


def hint_for(text: str) -> str:
    """What helps against an error with this text; empty where it is not known."""
    known = known_error(text)
    return known.hint if known else ""
