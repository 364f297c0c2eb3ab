"""The batches of an experiment's own loaders, at any size, as the trace is given them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from gonogo.config.experiment import Training
from gonogo.experiment.adapted import AdaptedExperiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.memory.loader_look import Look, look, resized, samples

LIMIT_S = 120.0  # of making and reading them
CHEAP_S = 1.0  # of making the loaders: they are then made for every batch size


class Loaders:
    """Read once for the plan asked for; of other sizes, validation's batch is asked for again where that is cheap.

    Attributes:
        train, validation: what was seen of them.
        problem: why nothing was.
    """

    def __init__(self, experiment: LightningExperiment, data: Sequence[Path], seed: int, training: Training) -> None:
        self._experiment, self._data, self._seed, self._asked = experiment, data, seed, training
        self.train, self.validation, self.problem = Look(), Look(), ""
        self._took_s = 0.0
        self._by_size: dict[int, Any] = {}
        if not data and not isinstance(experiment, AdaptedExperiment):
            self.problem = "no data was given"
            return
        began = time.monotonic()
        try:
            with torch.random.fork_rng([]), at_most(LIMIT_S):
                made = self._made(training)
                self._took_s = time.monotonic() - began
                self.validation = look(_first(made.val_dataloader()), 0)
                self.train = look(_first(made.train_dataloader()), training.micro_batch_size)
        except Exception as problem:  # the project's own code, which training will meet again; or too much memory
            said = next((line for line in str(problem).splitlines() if line.strip()), "")
            self.problem = f"{type(problem).__name__}: {said}"
        self._by_size[training.micro_batch_size] = self.validation.first

    def batches(self, training: Training) -> dict[str, Any]:
        """Fields of a `Step`: validation's batch, and the training batches beside the ordinary one."""
        size, asked = training.micro_batch_size, self._asked.micro_batch_size
        batches = self.train.count // training.cards
        return {
            "validation_batch": self._validation_batch(training),
            "validation_batches": self.validation.count,
            "other_batches": [(what, resized(batch, asked, size)) for what, batch in self.train.batches],
            "looked": self.looked(),
            "planned_steps": batches * training.epochs // training.accumulate_grad_batches,
            "epoch_steps": batches // training.accumulate_grad_batches,
        }

    def looked(self) -> list[str]:
        """What was read, in words."""
        if self.problem:
            return [f"the loaders were not read ({self.problem}): validation was traced with the training batch"]
        alike = "batches differ in shape" if self.train.varies else "all of one shape"
        found = [f"training loader: {self.train.read}, {alike}"]
        if self.validation.first is not None:
            found.append(f"validation loader: {self.validation.read}, batches of {samples(self.validation.first)}")
        return found

    def _validation_batch(self, training: Training) -> Any:
        size, asked = training.micro_batch_size, self._asked.micro_batch_size
        if size not in self._by_size:
            again = not self.problem and self._took_s < CHEAP_S
            self._by_size[size] = self._again(training) if again else None
        found = self._by_size[size]
        longest = self.validation.batches[-1][1] if self.validation.batches else None
        if longest is not None:  # the same samples' length, in as many as this size's validation has
            return resized(longest, samples(longest), samples(found) or samples(longest) * size // asked or 1)
        return resized(self.validation.first, asked, size) if found is None else found

    def _again(self, training: Training) -> Any:
        loader = _first(self._made(training).val_dataloader())
        first, size = self.validation.first, getattr(loader, "batch_size", None)
        return resized(first, samples(first), size) if size and first is not None else None

    def _made(self, training: Training) -> Any:
        made = self._experiment.datamodule(training, self._data, self._seed)
        made.setup("fit")
        return made


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError after so long, in the main thread; elsewhere there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(*_: Any) -> None:
        raise TimeoutError(f"longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _first(loader: Any) -> Any:
    """Of several validation loaders the first."""
    found = loader[0] if isinstance(loader, (list, tuple)) else loader
    if isinstance(found, dict):
        return next(iter(found.values()))
    return found
