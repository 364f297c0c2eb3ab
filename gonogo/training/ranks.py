"""A run on several cards: one process each, its rank, started by Lightning in the first one's process group."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.base.errors import ProgramError
from gonogo.base.processes import watch
from gonogo.config.experiment import Training

if TYPE_CHECKING:
    from gonogo.training.spec import StoppedError

TOLD_S = 3.0  # within which the process of a rank that others lost has ended, too


def rank_of(training: Training) -> int:
    """0: the process that was asked to train, which writes everything that is kept."""
    node, local = (int(os.environ.get(name, "0")) for name in ("NODE_RANK", "LOCAL_RANK"))
    return node * training.devices + local if training.cards > 1 else 0


def end_with_first() -> None:
    """In every rank that another of this machine has started: end when that one does, whatever it died of."""
    if int(os.environ.get("LOCAL_RANK", "0")):
        watch(os.getppid(), lambda: os.kill(os.getpid(), signal.SIGKILL))


def mean_of_ranks(trainer: Any, value: float) -> float:
    """Of a step's losses; not a number where that of any rank is none, so that all of them end at the same step."""
    if trainer.world_size == 1:
        return value
    import torch

    found = torch.tensor(value, dtype=torch.float32, device=trainer.strategy.root_device)
    return float(trainer.strategy.reduce(found, reduce_op="mean"))


def first_of_ranks(trainer: Any, text: str) -> str:
    """The text of the lowest rank that has one."""
    if trainer.world_size == 1:
        return text
    import torch.distributed

    texts: list[Any] = [""] * trainer.world_size
    torch.distributed.all_gather_object(texts, text)
    return next(filter(None, texts), "")


def predict_on_first(trainer: Any, module: Any, batch: Any) -> Any | None:
    """What the module predicts of the batch, in the first rank; None in the others.

    Where each has a part of the weights, all of them predict: whole they are only together.
    """
    if not trainer.is_global_zero and not shares_weights(trainer):
        return None
    import torch

    with torch.no_grad():
        outputs = module.predict_step(batch, 0)
    return outputs if trainer.is_global_zero else None


def shares_weights(trainer: Any) -> bool:
    """Whether each rank has a part of them."""
    return bool(trainer.strategy.restore_checkpoint_after_setup)


def stop(trainer: Any, checkpoint: Path, error: StoppedError) -> None:
    """Keep the checkpoint and end the run with `error`: at once, or, of several ranks, all at the end of this batch."""
    together = getattr(trainer, "stops_together", None)
    if together is None:
        trainer.save_checkpoint(checkpoint)
        raise error
    together(checkpoint, error)


def lost_rank(trainer: Any) -> ProgramError | None:
    """How another rank ended, which is why this one failed; None: none did."""
    processes: list[subprocess.Popen[bytes]] = getattr(trainer.strategy.launcher, "procs", [])
    until = time.monotonic() + TOLD_S
    while processes and time.monotonic() < until:
        for number, process in enumerate(processes, start=1):
            if code := process.poll():
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}; its error is above"
                return ProgramError(f"rank {number} of {trainer.world_size} ended: {how}", code)
        time.sleep(0.1)
    return None
