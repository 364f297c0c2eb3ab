"""Which device a run uses: the accelerator of its target, or the CPU where that one is known to be bad."""

from __future__ import annotations

import os
from dataclasses import dataclass

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Target

HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
# what hides every GPU from CUDA, HIP and the ROCm runtime below it; with the last, torch does not even ask the driver
HIDDEN = {**dict.fromkeys(HIDING, ""), "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
# small networks on consumer cards: the estimate of those who trained EEGNeX on an RX 5600 XT
SLOWER = "expect 5 to 10 times as long as on a healthy card"


@dataclass(frozen=True)
class DeviceChoice:
    """Where training runs, and why there."""

    cpu: bool  # training runs on the CPU, and no GPU is touched
    why: str = ""  # for people; empty where nothing is out of the ordinary


def choose(accelerator: Accelerator, target: Target) -> DeviceChoice:
    """The accelerator, unless it is known to be bad or the target says `device: cpu`; `accelerator` forces it.

    Raises:
        UserError: the target's environment contradicts it.
    """
    if accelerator.is_this_machine:
        return DeviceChoice(cpu=False)
    if target.device == "cpu":
        return DeviceChoice(cpu=True, why=f"the target asks for the CPU instead of {accelerator.title}: {SLOWER}")
    faults = "; ".join(accelerator.known_faults)
    if target.device == "accelerator":
        hiding = [name for name in HIDING if target.environment.get(name) == ""]
        if hiding:
            raise UserError(f"target: device: accelerator, but its environment hides the device: remove {hiding[0]}")
        return DeviceChoice(
            cpu=False, why=f"{accelerator.title} is forced: {faults}" if accelerator.cpu_unless_forced else ""
        )
    if accelerator.cpu_unless_forced:
        force = "`device: accelerator` in the target forces it"
        return DeviceChoice(
            cpu=True, why=f"{accelerator.title} is known to be bad ({faults}), so the CPU trains: {SLOWER}; {force}"
        )
    return DeviceChoice(cpu=False)


def gpu_hidden() -> bool:
    """Whether this process was started so that it must not touch a GPU."""
    return all(os.environ.get(name) == "" for name in HIDING)
