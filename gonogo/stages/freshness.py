"""What each gate's verdict must be about, as one digest: a verdict on other data, code or config is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gonogo.base.commands import rerun_command
from gonogo.base.digests import digest, file_digest, folder_digest
from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import Gates
from gonogo.experiment.contract import Experiment
from gonogo.gates import judging, registry, standing
from gonogo.gates.registry import SAMPLE, Gate
from gonogo.runtime.context import Run
from gonogo.verdict import Override, Verdict


def data_digest(folders: Sequence[Path]) -> str:
    """Names and contents of every file below the folders, whichever shard they lie in."""
    return digest([folder_digest(folder) for folder in folders])


def learning_digest(data: str, experiment: Experiment, training: Training) -> str:
    return digest(data, experiment.fingerprint("train"), training.model_dump(mode="json"), *begins_with(experiment))


def begins_with(experiment: Experiment) -> list[str]:
    """Of the checkpoint that training begins with, where there is one: retrained, it makes what followed stale."""
    return [] if experiment.starts_from is None else [file_digest(experiment.starts_from)]


def memory_digest(experiment: Experiment, training: Training, accelerator: Accelerator) -> str:
    return digest(
        experiment.fingerprint("train"), training.model_dump(mode="json"), accelerator.model_dump(mode="json")
    )


class InputDigests:
    """Of what is there now. Every file of the data is read once, however many are asked for."""

    def __init__(self, run: Run) -> None:
        self.run, self._experiment = run, run.load_experiment()

    def of(self, gate: Gate) -> str:
        """The digest that the gate's verdict must carry."""
        run, experiment = self.run, self._experiment
        match gate.path:
            case "generator":
                return digest(folder_digest(run.paths.assets), experiment.fingerprint("generate"))
            case "quality/sample":
                return data_digest(run.sample_shards)
            case "quality/dataset":
                return self._data
            case "learning":
                return learning_digest(self._data, experiment, run.experiment_config.training)
            case "memory":
                return memory_digest(experiment, run.asked_training, run.settings.accelerator)
            case "launch" | "canary":
                return self.launch
        raise ValueError(f"nothing is confirmed after the paid run, such as {gate.path}")

    @cached_property
    def launch(self) -> str:
        """Of data, code, plan and machine."""
        return digest(
            self._data,
            self._experiment.fingerprint("train"),
            self.run.training.model_dump(mode="json"),
            # how it is rented and released may change in a run
            self.run.target.model_dump(mode="json", exclude={"release", "rent"}),
            *begins_with(self._experiment),
        )

    @cached_property
    def _data(self) -> str:
        return data_digest(self.run.data_folders)


@dataclass(frozen=True)
class ExpectedVerdict:
    """A verdict's folder, and the digest that the verdict must carry to be about what is there now."""

    gate: Gate
    folder: Path
    digest: str
    measurements: Sequence[Path]


def confirm_up_to(digests: InputDigests, last: str) -> list[Verdict]:
    """The verdicts of every gate up to `last`, each about the data, code and config that are there now.

    Raises:
        UserError: one is stale, altered or does not pass.
    """
    run = digests.run
    expected = [
        ExpectedVerdict(
            gate,
            folder := standing.latest(gate, run.paths.experiment, run.mode),
            digests.of(gate),
            _of(run, gate, folder),
        )
        for gate in registry.upto(last)
    ]
    return confirm(expected, run.gates, run.config.overrides, run.experiment_config.dummy_data)


def _of(run: Run, gate: Gate, folder: Path) -> list[Path]:
    """The measurements that a gate judged."""
    if not gate.scope:
        return [folder / "measurements.json"]
    shards = run.sample_shards if gate.scope == SAMPLE else run.shards
    return [run.paths.measured(gate.scope, shard) for shard in shards]


def confirm(
    expected: Sequence[ExpectedVerdict], thresholds: Gates, overrides: Sequence[Override], dummy_data: bool = False
) -> list[Verdict]:
    """The verdicts in these folders, each still true: about today's inputs, as its measurements say, and passing.

    Args:
        dummy_data: whether each must say that its data stands in for the real one.

    Raises:
        UserError: a verdict is stale, was altered, or does not pass; names the gate and what to do.
    """
    confirmed = []
    for item in expected:
        verdict = Verdict.read(item.folder / "verdict.json")
        again, _ = judging.judge(
            item.gate, judging.measurements(item.gate, item.measurements), thresholds,
            experiment=verdict.experiment, mode=verdict.mode,
            override=standing.override_for(overrides, verdict.experiment, item.gate.name), dummy_data=dummy_data,
        )  # fmt: skip
        rerun = f"Measure again: {rerun_command(forcerun=item.gate.measured_by)}"
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
