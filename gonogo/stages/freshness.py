"""What each gate's verdict was about, as one digest: so that a verdict on other data, code or config is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gonogo.base.digests import digest, file_digest, folder_digest
from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import Gates
from gonogo.experiment.contract import Experiment
from gonogo.gates import judging, registry, standing
from gonogo.verdict import Override, Verdict

Digest: TypeAlias = str


def data_digest(folders: Sequence[Path]) -> Digest:
    """Names and contents of every file below the folders, whichever shard they lie in."""
    return digest([folder_digest(folder) for folder in folders])


def learning_digest(data: Digest, experiment: Experiment, training: Training) -> Digest:
    return digest(data, experiment.fingerprint("train"), training.model_dump(mode="json"), *begins_with(experiment))


def begins_with(experiment: Experiment) -> list[Digest]:
    """Of the checkpoint that training begins with, where there is one: retrained, it makes what followed stale."""
    return [] if experiment.starts_from is None else [file_digest(experiment.starts_from)]


def memory_digest(experiment: Experiment, training: Training, accelerator: Accelerator) -> Digest:
    return digest(
        experiment.fingerprint("train"), training.model_dump(mode="json"), accelerator.model_dump(mode="json")
    )


@dataclass(frozen=True)
class Judged:
    """A gate's folder, and the digest that its verdict must carry to be about what is there now."""

    gate: str
    folder: Path
    digest: Digest
    measurements: tuple[Path, ...] = ()  # where they are not the folder's own


def confirm(
    judged: Sequence[Judged], thresholds: Gates, overrides: Sequence[Override], dummy_data: bool = False
) -> list[Verdict]:
    """The verdicts in these folders, each still true: about today's inputs, as its measurements say, and passing.

    Args:
        dummy_data: whether each must say that its data stands in for the real one.

    Raises:
        UserError: a verdict is stale, was altered, or does not pass; names the gate and what to do.
    """
    confirmed = []
    for item in judged:
        verdict = Verdict.read(item.folder / "verdict.json")
        again = judging.judge(
            item.gate, item.measurements or [item.folder / "measurements.json"], thresholds,
            experiment=verdict.experiment, mode=verdict.mode, scope=verdict.scope,
            override=standing.override_for(overrides, verdict.experiment, item.gate), dummy_data=dummy_data,
        ).verdict  # fmt: skip
        rerun = f"Measure again: snakemake --profile local --forcerun {registry.MEASURED_BY[item.gate]}"
        if verdict.inputs_digest != item.digest:
            raise UserError(
                f"the {verdict.title} verdict is stale: its data, code or config has changed since. {rerun}"
            )
        if again.status != verdict.status:
            raise UserError(
                f"{item.folder / 'verdict.json'} says {verdict.status.label}, "
                f"its measurements say {again.status.label}. {rerun}"
            )
        if not again.go:
            raise UserError(f"the {again.title} gate says {again.status.label}: {again.summary}")
        confirmed.append(again)
    return confirmed
