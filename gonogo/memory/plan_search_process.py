"""The plan search in one child process, because starting a process takes longer than most traces."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, Field

from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged
from gonogo.base.torch_startup import without_gc
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.load import load_experiment
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.cards import CardNeed, catalogue, needs
from gonogo.memory.estimate import MemoryEstimate, estimate, failed, note_saving
from gonogo.memory.plan_search import Candidate, Explored, Options, explore
from gonogo.memory.request import TraceRequest
from gonogo.memory.trace_lanes import TraceLanes
from gonogo.memory.trace_process import LIMIT_BYTES, trace_in_child, traced_here

LIMIT_S = 900  # for all traces


class PlanSearch(BaseModel):
    """Which experiment's plans are searched, and for which card."""

    experiment: str
    experiment_config: ExperimentConfig
    training: Training
    accelerator: Accelerator
    environment: dict[str, str] = Field(default_factory=dict, description="of the training process")
    data: list[Path] = Field(default_factory=list, description="folders that the experiment's loaders read")
    seed: int = 0
    lanes: int = Field(0, description="further processes to trace in")

    def request(self, training: Training, options: Options) -> TraceRequest:
        settings = deep_merged(self.experiment_config.settings, options)
        return TraceRequest(
            experiment=self.experiment,
            experiment_config=self.experiment_config.model_copy(update={"settings": settings}),
            training=training,
            architecture=self.accelerator.architecture,
            data=self.data,
            seed=self.seed,
        )


def explore_in_child(task: PlanSearch) -> Explored:
    """The plans around the one asked for; that one alone where the child process fails or takes too long."""
    command = [sys.executable, "-m", "gonogo.memory.plan_search_process"]
    try:
        done = subprocess.run(
            command, input=task.model_dump_json(by_alias=True),
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _asked_alone(task)
    return _asked_alone(task) if done.returncode else Explored.model_validate_json(done.stdout.splitlines()[-1])


def _asked_alone(task: PlanSearch) -> Explored:
    """One trace in a child process of its own: it may succeed where the search failed, or says why not."""
    traced = trace_in_child(task.request(task.training, {}))
    found = estimate(traced, task.training, task.accelerator, task.environment)
    candidate = Candidate(training=task.training, needed_bytes=found.needed_bytes, fits=found.fits, estimate=found)
    return Explored(capacity_bytes=capacity_bytes(task.accelerator), candidates=[candidate])


def explored_here(task: PlanSearch) -> Explored:
    """All traces in this process, but for those in lanes beside it."""
    cards: list[CardNeed] = []
    checkpointed = False

    def compute(training: Training, options: Options, plain: bool) -> MemoryEstimate:
        try:
            traced = traced_here(task.request(training, options), plain=plain)
        except UserError as error:  # an option's keys that the experiment refuses
            return failed(training, str(error))
        if training == task.training and not options and not plain and traced.events is not None:
            nonlocal checkpointed
            checkpointed = bool(traced.checkpointed)
            cards.extend(needs(traced, task.accelerator.architecture, catalogue(), training))
            if checkpointed:
                lanes.begin(training, {}, True)
        return estimate(traced, training, task.accelerator, task.environment)

    lanes = TraceLanes(compute, task.lanes)
    offered = load_experiment(task.experiment, task.experiment_config, Path.cwd()).plan_options()
    found = explore(lanes.result, task.training, task.accelerator, offered, begin=lanes.begin)
    if checkpointed and found.asked.estimate is not None:
        note_saving(found.asked.estimate, lanes.result(task.training, {}, True))
    return found.model_copy(update={"cards": cards})


def main() -> None:
    """`python -m gonogo.memory.plan_search_process`: a PlanSearch on stdin, its Explored as the last line on stdout."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))
    sys.path.insert(0, str(Path.cwd()))
    with without_gc():
        import gonogo.memory.trace  # noqa: F401  brings torch
    found = explored_here(PlanSearch.model_validate_json(sys.stdin.read()))
    print(found.model_dump_json(), flush=True)
    os._exit(0)  # torn down in the interpreter's order, fake tensors corrupt the heap (torch 2.13)


if __name__ == "__main__":
    main()
