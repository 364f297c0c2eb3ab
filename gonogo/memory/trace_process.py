"""The trace in a process of its own: it may run out of time or memory, or abort, and the answer is then UNKNOWN."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gonogo.base.errors import UserError
from gonogo.experiment.contract import Experiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.load import load_experiment
from gonogo.experiment.step import Step
from gonogo.memory.request import TraceRequest
from gonogo.memory.trace_result import Traced

if TYPE_CHECKING:
    from gonogo.memory.loaders import Loaders

LIMIT_S = 300
LIMIT_BYTES = 8_000_000_000  # of address space; a trace holds shapes, not data


def trace_in_child(order: TraceRequest, limit_s: float = LIMIT_S, limit_bytes: int = LIMIT_BYTES) -> Traced:
    """Trace the training step that `order` describes; whatever goes wrong is the trace's `error`."""
    started = time.time()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gonogo.memory.trace_process", folder, str(limit_bytes)]
        try:
            done = subprocess.run(
                command, input=order.model_dump_json(by_alias=True),
                capture_output=True, text=True, timeout=limit_s, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return _failed(order, f"the trace took longer than {limit_s:.0f} s", started)
        if done.returncode == 0:
            return Traced.load(Path(folder))
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if "MemoryError" in done.stderr or "can't allocate memory" in done.stderr or "bad_alloc" in done.stderr:
        return _failed(order, f"the trace needs more than {limit_bytes / 1e9:g} GB of memory: {last}", started)
    return _failed(order, f"the trace's process ended with exit code {done.returncode}: {last}", started)


NO_FORK = "fork-based multiprocessing"  # torch's words where this process has run a backward pass on a GPU


def trace_in_fork(step: Callable[[], Any], order: TraceRequest, limit_s: float = LIMIT_S) -> Traced:
    """Trace the step that a function of the caller's returns, in a fork of this process.

    Args:
        step: returns a Step, or (model, optimizer, step callable, batch).
    """
    started = time.time()
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            signal.setitimer(signal.ITIMER_REAL, limit_s)  # SIGALRM ends it
            _trace_and_leave(step, order, Path(folder))
        _, status = os.waitpid(child, 0)
        if not status:
            traced = Traced.load(Path(folder))
            return traced_here(order, step) if NO_FORK in traced.error else traced
        said = Path(folder, "error").read_text() if Path(folder, "error").is_file() else ""
    if said:
        raise UserError(said)
    late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
    how = f"took longer than {limit_s:.0f} s" if late else f"ended with status {status}"
    return _failed(order, f"the trace {how}", started)


def _trace_and_leave(step: Callable[[], Any], order: TraceRequest, folder: Path) -> NoReturn:
    code = 1
    try:
        traced_here(order, step).save(folder)
        code = 0
    except UserError as error:
        (folder / "error").write_text(str(error))
    finally:
        os._exit(code)


def _failed(order: TraceRequest, error: str, started: float) -> Traced:
    training = order.training
    return Traced(
        training.micro_batch_size, training.accumulate_grad_batches, training.precision,
        error=error, seconds=time.time() - started,
    )  # fmt: skip


def traced_here(order: TraceRequest, step: Callable[[], Any] | None = None, *, plain: bool = False) -> Traced:
    """The trace that `order` asks for, in this process.

    Args:
        step: returns the step, where it is not `order` that names it.
        plain: the steps alone, without gradient checkpointing.

    Raises:
        UserError: what it names cannot be found or built.
    """
    from gonogo.memory import builders
    from gonogo.memory.devices import card_of
    from gonogo.memory.step import step_of
    from gonogo.memory.trace import trace_step

    builders.allow_torchvision()
    training = order.training
    changes = {
        "accumulate_grad_batches": training.accumulate_grad_batches,
        "gradient_clip_val": training.gradient_clip_val, "precision": training.precision,
    }  # fmt: skip

    beside: dict[str, Any] | None = None
    experiment = None if order.experiment_config is None else _experiment(order)
    if isinstance(experiment, LightningExperiment):
        experiment.before_trace(training)
        beside = _loaders(order, experiment).batches(training)

    def build() -> Step:
        if step is not None:
            return builders.entry_step(step())
        if experiment is not None:
            return step_of(experiment, training, beside)
        if order.model is None:
            return builders.from_entry(order.entry)
        return builders.library_step(order.model, training.micro_batch_size, changes)

    device = "cpu" if order.architecture == "cpu" else "cuda"
    started = Traced(training.micro_batch_size, training.accumulate_grad_batches, training.precision)
    return trace_step(build, device, card_of(order.architecture), traced=started, plain=plain)


def _experiment(order: TraceRequest) -> Experiment:
    """The same one for every plan of the same settings, because making one may read data."""
    assert order.experiment_config is not None
    key = f"{Path.cwd()} {order.experiment} {order.experiment_config.model_dump_json()}"
    if key not in _experiments:
        _experiments[key] = load_experiment(order.experiment, order.experiment_config, Path.cwd())
    return _experiments[key]


_experiments: dict[str, Experiment] = {}
_read: dict[str, Loaders] = {}


def _loaders(order: TraceRequest, experiment: LightningExperiment) -> Loaders:
    """Of the same settings' data they are read once."""
    from gonogo.memory.loaders import Loaders

    key = f"{Path.cwd()} {order.experiment} {order.data} {order.seed}"
    if key not in _read:
        _read[key] = Loaders(experiment, order.data, order.seed, order.training)
    return _read[key]


def main() -> None:
    """`python -m gonogo.memory.trace_process FOLDER LIMIT_BYTES`: an Order on stdin, its trace into FOLDER."""
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.path.insert(0, str(Path.cwd()))
    order = TraceRequest.model_validate_json(sys.stdin.read())
    try:
        traced_here(order).save(folder)
    except UserError as error:
        sys.exit(str(error))
    sys.stdout.flush()
    os._exit(0)  # torn down in the interpreter's order, fake tensors corrupt the heap (torch 2.13)


if __name__ == "__main__":
    main()
