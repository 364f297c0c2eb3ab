"""Steps for the trace's child process, which finds them by name."""

from __future__ import annotations

from benchmarks.documented_steps import cvs_step
from gonogo.config.experiment import Training
from gonogo.experiment.step import Step


def view_synthesis() -> Step:
    return cvs_step(Training(micro_batch_size=1), {})
