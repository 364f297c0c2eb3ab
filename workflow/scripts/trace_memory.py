"""Trace the planned training step's memory without running it."""

from gonogo.evidence import memory_digest
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.child import Order, trace_in_child
from gonogo.memory.judge import Measurements
from gonogo.stage import stage
from gonogo.units import gigabytes

with stage(snakemake) as run:
    accelerator = run.settings.accelerator
    order = Order(experiment=run.experiment, experiment_config=run.experiment_config, training=run.training)
    with run.work():
        traced = trace_in_child(order)
    Measurements(
        trace=traced,
        accelerator=accelerator.title,
        capacity_bytes=capacity_bytes(accelerator),
        context_bytes=accelerator.context_bytes,
        inputs_digest=memory_digest(run.load_experiment(), run.training, accelerator),
    ).write(snakemake.output.measurements)
    peak = traced.error if traced.peak_bytes is None else gigabytes(traced.peak_bytes)
    run.say(f"{traced.parameters / 1e6:.2f}M parameters, {traced.operations} operations, peak {peak}")
