"""What a training step would allocate on a GPU, traced without one and without running it.

The step runs under FakeTensorMode: every operation is dispatched with shapes and dtypes and no data. `fake_gpu` makes
torch dispatch as on the card, `kernel_workspaces` adds what kernels allocate for themselves, and `recorder` notes each
block from its allocation to its release. What the allocator adds is `gonogo.memory.allocator.replay`.
"""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.optim import optimizer as optimizers
from torch.optim.swa_utils import AveragedModel

from gonogo.base.errors import UserError
from gonogo.experiment.step import Step
from gonogo.memory.buckets import Buckets
from gonogo.memory.checkpointing import counting_checkpoints
from gonogo.memory.compiled import described, is_compiled, traced_as_written
from gonogo.memory.devices import Card
from gonogo.memory.fake_gpu import FakeGPUMode, fake_gpu, fake_modules, forget_tracing
from gonogo.memory.other_parts import (
    released,
    trace_checkpoint,
    trace_growth,
    trace_other_batches,
    trace_validation,
)
from gonogo.memory.quantised import CAST, cast_up, loading_bytes
from gonogo.memory.recorder import AllocationRecorder
from gonogo.memory.sharded import one_card_of, shared_out
from gonogo.memory.torch_private import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedOperatorException,
    tree_map_only,
)
from gonogo.memory.trace_result import Traced
from gonogo.training.sharding import shard

PASSES = 2  # of an optimizer step's micro-batches: once gradients exist, the third allocates as the second does
STEPS = 2  # the optimizer's state exists from the second on; on published measurements a third changed nothing
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
CONVERTED = {"bf16-true": torch.bfloat16, "16-true": torch.float16}
LOSS_SCALE = 65536.0  # torch.amp.GradScaler's first


def trace_step(
    build: Callable[[], Step],
    device: str = "cuda",
    card: Card | None = None,
    traced: Traced | None = None,
    *,
    plain: bool = False,
) -> Traced:
    """Trace the step that `build` returns; it is called under FakeTensorMode, so a model of any size costs nothing.

    Whatever cannot be traced is reported as such: `error` is set, and there are no events.

    Args:
        device: "cuda" (AMD's cards too) or "cpu".
        card: decides which kernels run.
        plain: without gradient checkpointing, and the steps alone: what does it save?
    """
    started = time.time()
    traced = traced or Traced(0, 0, "")
    recorder = AllocationRecorder(device)
    recorder.miopen = card is not None and card.miopen
    mode = FakeGPUMode if device == "cuda" else FakeTensorMode
    around = fake_gpu(card or Card(), recorder.assume) if device == "cuda" else contextlib.nullcontext()
    try:
        with (
            warnings.catch_warnings(),
            around,
            fake_modules(),
            counting_checkpoints(traced, plain),
            traced_as_written(functools.partial(setattr, traced, "compiled")),
        ):
            warnings.simplefilter("ignore")
            with mode(allow_non_fake_inputs=True), recorder.following(), _phases(recorder), ExitStack() as held:
                _run(build, recorder, device, traced, plain, held)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as problem:  # any operation of any model can fail here, and the answer is then UNKNOWN
        traced.error = explained(problem, recorder)
    traced.operations = recorder.operations
    traced.guesses = list(recorder.guesses)
    traced.seconds = time.time() - started
    return traced


def explained(problem: Exception, recorder: AllocationRecorder) -> str:
    """What could not be traced, and why, in one line."""
    if isinstance(problem, UserError):
        return str(problem)
    name = type(problem).__name__
    if isinstance(problem, DataDependentOutputException):
        return f"{problem.func}: its result depends on data, which a trace does not have ({name})"
    if isinstance(problem, DynamicOutputShapeException):
        return f"{problem.func}: the shape of its result depends on data, which a trace does not have ({name})"
    if isinstance(problem, UnsupportedOperatorException):
        return f"{problem.func}: torch has no shape rule for it ({name})"
    first = next((line for line in str(problem).splitlines() if line.strip()), "no message")
    where = f" (in {recorder.phase}, after {recorder.last_op})" if recorder.last_op else ""
    return f"{name}: {first}{where}"


def _run(
    build: Callable[[], Step],
    recorder: AllocationRecorder,
    device: str,
    traced: Traced,
    plain: bool,
    held: ExitStack,
) -> None:
    step = build()
    step.check()
    forget_tracing()
    traced.micro_batch_size, traced.precision = step.micro_batch_size, step.precision
    traced.accumulate_grad_batches = step.accumulate_grad_batches
    traced.looked = [f"{STEPS} optimizer steps of micro-batch {step.micro_batch_size} were traced", *step.looked]
    traced.planned_steps, traced.epoch_steps = step.planned_steps, step.epoch_steps
    model = step.model
    if step.precision in CONVERTED:
        model.to(CONVERTED[step.precision])
    if step.shards_weights:
        mesh = held.enter_context(one_card_of(step.devices, recorder))
        traced.looked.append(shared_out(step.devices, shard(model, mesh)))
    model.to(device)
    model.train()
    traced.loading_bytes = loading_bytes(model)
    traced.parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    made = step.optimizer() if callable(step.optimizer) else step.optimizer
    optimizers = [made] if isinstance(made, torch.optim.Optimizer) else list(made)
    _label_model(model, optimizers, recorder)
    _label_state(optimizers, recorder)
    buckets = Buckets(model, recorder) if step.devices > 1 and not step.shards_weights else None
    if buckets is not None:
        traced.looked.append(
            f"{step.devices} cards: the peak is of one, with the gradient buckets that DistributedDataParallel keeps"
        )
    for parameter in model.parameters():
        if parameter.requires_grad:
            if buckets is not None:
                parameter.register_post_accumulate_grad_hook(buckets.take)
            parameter.register_post_accumulate_grad_hook(lambda p: recorder.label(p.grad, "gradients"))
    traced.compiled = traced.compiled or (described("") if is_compiled(model) else "")
    names: dict[str, Any] = {}

    def one_step(batch: Any = None) -> None:
        _optimizer_step(step, step.batch if batch is None else batch, optimizers, recorder, device, names, buckets)

    live: list[int] = []
    for number in range(STEPS):
        recorder.step = number
        one_step()
        _label_state(optimizers, recorder)
        live.append(recorder.live_bytes)
    if not plain:
        trace_growth(one_step, recorder, live[-1] - live[0], traced)
        if traced.growth is not None and step.release is not None:
            traced.growth = released(step.release, recorder, traced.growth)
        trace_other_batches(step, one_step, recorder, traced)
        on_card = functools.partial(_moved, device=device, dtype=CONVERTED.get(step.precision))
        with _autocast(step.precision, device):
            trace_validation(step, on_card, recorder, traced)
        trace_checkpoint(step, optimizers, recorder, traced)
    traced.events, traced.kinds, traced.workspaces = recorder.events(), recorder.kinds, recorder.workspaces


def _optimizer_step(
    step: Step,
    batch: Any,
    optimizers: Sequence[torch.optim.Optimizer],
    recorder: AllocationRecorder,
    device: str,
    names: dict[str, Any],
    buckets: Buckets | None,
) -> None:
    """As Lightning orders it: forward, zero_grad, backward, clipping, optimizer, then the moving average.

    `names` keeps what the loop's variables keep: the batch lives until the next one is on the card.
    """
    parameters = [parameter for parameter in step.model.parameters() if parameter.requires_grad]

    def zero_grad(now: str) -> None:
        if step.zero_grad == now:
            recorder.phase = "zero_grad"
            for optimizer in optimizers:
                optimizer.zero_grad(set_to_none=step.set_to_none)

    zero_grad("start")
    passes = min(step.accumulate_grad_batches, PASSES)
    for index in range(passes):
        recorder.phase = "batch"
        names["batch"] = _moved(batch, device, CONVERTED.get(step.precision))
        recorder.phase = "forward"
        if buckets is not None:
            buckets.before_forward()
            buckets.synchronised = index == passes - 1
        with _autocast(step.precision, device):
            loss: Any = step.run(names["batch"])
            loss = loss["loss"] if isinstance(loss, dict) else loss
            if loss is None:  # the step did the rest itself
                return
            if step.accumulate_grad_batches > 1:
                loss = loss / step.accumulate_grad_batches
        if index == 0:
            zero_grad("before_backward")
        recorder.phase = "backward"
        (loss * LOSS_SCALE if step.precision == "16-mixed" else loss).backward()
    if step.gradient_clip_val:
        recorder.phase = "clip"
        torch.nn.utils.clip_grad_norm_(parameters, step.gradient_clip_val)
    recorder.phase = "optimizer"
    for optimizer in optimizers:
        optimizer.step()
    if step.after_step is not None:
        recorder.phase = "ema"
        step.after_step(names["batch"])
    zero_grad("end")


def _autocast(precision: str, device: str) -> contextlib.AbstractContextManager[Any]:
    dtype = AUTOCAST.get(precision)
    return contextlib.nullcontext() if dtype is None else torch.autocast(device, dtype=dtype)


def _moved(batch: Any, device: str, dtype: torch.dtype | None) -> Any:
    """The batch on the card; its floating-point tensors in `dtype`, as Lightning converts them."""

    def move(tensor: torch.Tensor) -> torch.Tensor:
        convert = dtype if tensor.dtype.is_floating_point else None
        return tensor.to(device=device, dtype=convert)

    return tree_map_only(torch.Tensor, move, batch)


@contextlib.contextmanager
def _phases(recorder: AllocationRecorder) -> Iterator[None]:
    """Notes the backward's and the optimizer's phase where the experiment's own loop calls them."""
    before: list[str] = []
    backward = torch.Tensor.backward

    def in_backward(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        outside, recorder.phase = recorder.phase, "backward"
        backward(tensor, *args, **kwargs)
        recorder.phase = outside

    def enter(*_: Any) -> None:
        before.append(recorder.phase)
        recorder.phase = "optimizer"

    def leave(*_: Any) -> None:
        recorder.phase = before.pop()

    handles = [
        optimizers.register_optimizer_step_pre_hook(enter),
        optimizers.register_optimizer_step_post_hook(leave),
    ]
    torch.Tensor.backward = in_backward  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        torch.Tensor.backward = backward  # type: ignore[method-assign]
        for handle in handles:
            handle.remove()


def _label_model(model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], recorder: AllocationRecorder) -> None:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    trained = {id(parameter) for group in groups for parameter in group["params"]}
    for average in (module for module in model.modules() if isinstance(module, AveragedModel)):
        for tensor in [*average.parameters(), *average.buffers()]:
            recorder.label(tensor, "moving average")
    cast = set(cast_up(model))
    for parameter in model.parameters():
        kind = "weights" if id(parameter) in trained else "frozen weights"
        recorder.label(parameter, CAST if id(parameter) in cast and kind != "weights" else kind)
    for buffer in model.buffers():
        recorder.label(buffer, "buffers")


def _label_state(optimizers: Sequence[torch.optim.Optimizer], recorder: AllocationRecorder) -> None:
    for state in (state for optimizer in optimizers for state in optimizer.state.values()):
        for value in state.values():
            if isinstance(value, torch.Tensor):
                recorder.label(value, "optimizer state")
