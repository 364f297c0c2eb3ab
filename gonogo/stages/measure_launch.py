"""What the launch gate looks at, gathered: earlier verdicts, files, environment, money, approval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gonogo.base.digests import digest, folder_digest
from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.plan_consistency import contradictions
from gonogo.gates import standing
from gonogo.gates.launch import Approval, Item, Measurements
from gonogo.runtime.context import Run
from gonogo.stages.freshness import Judged, begins_with, confirm, data_digest, learning_digest, memory_digest
from gonogo.verdict import Verdict


def checklist(run: Run, forecast: Forecast) -> Measurements:
    """Everything that should be settled before money is spent, measured now."""
    sample = data_digest([run.results / "sample"])
    return Measurements(
        inputs_digest=launch_digest(run),
        items=_items(run),
        expected_statement=run.experiment_config.expected.statement,
        issues=run.experiment_config.issues,
        contradictions=contradictions(
            run.experiment_config.expected.timeline,
            forecast.steps // run.training.epochs,
            run.training.epochs,
            forecast,
        ),
        hours=forecast.hours,
        usd=forecast.usd,
        usd_per_hour=forecast.usd_per_hour,
        budget_usd=run.config.budget_usd,
        max_hours=run.target.max_hours,
        approval=_approval(run.results / "approval.json"),
        sample_digest=sample,
        device_note=run.settings.device.why,
        evidence=[str(standing.latest("quality/sample", run.results, "") / "contact_sheet.png")],
    )


def confirm_all(run: Run, last: str) -> list[Verdict]:
    """The verdicts of every gate up to `last`, each about the data, code and config that are here now.

    Raises:
        UserError: one is stale, altered or does not pass.
    """
    judged = judged_so_far(run)
    names = [item.gate for item in judged]
    passed = judged[: len(names) - names[::-1].index(last)]
    return confirm(passed, run.gates, run.config.overrides, run.experiment_config.dummy_data)


def judged_so_far(run: Run) -> list[Judged]:
    """The gates before the paid run in their order, each with the digest that its verdict must carry now."""
    experiment = run.load_experiment()
    data = data_digest(run.shards)
    by_mode = run.results / run.mode
    generator = digest(folder_digest(run.results / "assets"), experiment.fingerprint("generate"))
    own_training = run.experiment_config.training
    return [
        Judged("generator", run.results / "generator", generator),
        _judged_data(run, "sample", run.sample_shards),
        _judged_data(run, "dataset", run.shards),
        Judged("learning", run.results / "learning", learning_digest(data, experiment, own_training)),
        Judged("memory", by_mode / "memory", memory_digest(experiment, run.asked_training, run.settings.accelerator)),
        Judged("launch", by_mode / "launch", launch_digest(run)),
        Judged("canary", by_mode / "canary", launch_digest(run)),
    ]


def _judged_data(run: Run, scope: str, shards: Sequence[Path]) -> Judged:
    folder = standing.latest(f"quality/{scope}", run.results, "")
    return Judged("quality", folder, data_digest(shards), tuple(run.measured(scope, shard) for shard in shards))


def launch_digest(run: Run) -> str:
    """What the launch and canary gates were about: data, code, plan and machine."""
    experiment = run.load_experiment()
    return digest(
        data_digest(run.shards),
        experiment.fingerprint("train"),
        run.training.model_dump(mode="json"),
        run.target.model_dump(mode="json", exclude={"release"}),  # how it is given back may change during a run
        *begins_with(experiment),
    )


def _items(run: Run) -> list[Item]:
    items = [_verdicts(run), _unbuffered(run.target), _forbidden_environment(run)]
    items += [Item(name=name, ok=ok, detail=detail) for name, ok, detail in run.load_experiment().assets_needed()]
    if isinstance(run.target.connection, Ssh):
        items += [
            _file("SSH key", run.target.connection.key_file),
            _file("known host keys", run.target.connection.known_hosts),
        ]
    return items


def _verdicts(run: Run) -> Item:
    name = "Verdicts are about today's data, code and config"
    try:
        confirmed = confirm_all(run, "memory")
    except UserError as error:
        return Item(name=name, ok=False, detail=str(error))
    overridden = [verdict.title for verdict in confirmed if verdict.override]
    detail = f"{len(confirmed)} gates" + (f"; overridden: {', '.join(overridden)}" if overridden else "")
    return Item(name=name, ok=True, detail=detail)


def _unbuffered(target: Target) -> Item:
    value = target.environment.get("PYTHONUNBUFFERED")
    detail = "set" if value else "unset: the log would arrive in blocks; set it in the target's environment"
    return Item(name="PYTHONUNBUFFERED", ok=bool(value), detail=detail)


def _forbidden_environment(run: Run) -> Item:
    accelerator = run.settings.accelerator
    present = [name for name in accelerator.forbidden_environment if name in run.target.environment]
    detail = f"{', '.join(present)} must not be set on {accelerator.title}" if present else "nothing that it forbids"
    return Item(name=f"Environment for {accelerator.title}", ok=not present, detail=detail)


def _file(name: str, path: Path) -> Item:
    path = path.expanduser()
    return Item(name=name, ok=path.is_file(), detail=str(path) if path.is_file() else f"{path} is not there")


def _approval(path: Path) -> Approval | None:
    if not path.exists():
        return None
    try:
        return Approval.model_validate_json(path.read_text())
    except ValueError:
        raise UserError(f"{path}: not an approval; remove it and approve again with: gonogo approve") from None
