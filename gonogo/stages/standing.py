"""How an experiment stands: its verdicts, its costs, the command that takes it up again."""

from __future__ import annotations

from gonogo.gates import registry, standing
from gonogo.report.timing import StageTiming
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.verdict import Verdict


def earlier_verdicts(run: Run, before: str = "") -> list[Verdict]:
    """Verdicts that stand now, in the order of the gates, up to but without the gate named."""
    found = []
    for gate in registry.ORDER:
        if gate == before:
            break
        path = standing.latest(gate, run.results, run.mode) / "verdict.json"
        if path.exists():
            found.append(Verdict.read(path))
    return found


def rerun_command(run: Run) -> str:
    """The command that takes this experiment up again."""
    config = run.config
    return f"snakemake --profile local --config experiments={run.experiment} mode={config.mode} target={config.target}"


def costs(run: Run) -> list[ledger.Row]:
    """The experiment's rows of the ledger, of all invocations."""
    return ledger.rows(run.ledger_path, experiment=run.experiment)


def timings(rows: list[ledger.Row]) -> list[StageTiming]:
    return [StageTiming(experiment=r.experiment, stage=r.stage, wall_s=r.wall_s, work_s=r.work_s) for r in rows]
