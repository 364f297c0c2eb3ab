"""measure_launch: everything that should be settled before money is spent, measured now."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from gonogo.base.errors import UserError
from gonogo.base.units import gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Ssh
from gonogo.experiment.pretrained import Asset
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.plan_consistency import contradictions
from gonogo.forecast.stage_times import size_bytes
from gonogo.gates import registry, standing
from gonogo.gates.launch import Approval, Item, Measurements
from gonogo.project.requirements import pip_lines
from gonogo.runtime.context import Run
from gonogo.stages.freshness import InputDigests, confirm_up_to, data_digest

ADDRESS_S = 20.0


def measure_launch(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    digests = InputDigests(run)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    expected, epochs = run.experiment_config.expected, run.training.epochs
    sample = standing.latest(registry.gate("quality/sample"), run.paths.experiment, run.mode)
    Measurements(
        inputs_digest=digests.launch,
        measured_after=params.measured_after,
        items=items(digests),
        expected_statement=expected.statement,
        issues=run.experiment_config.issues,
        contradictions=[]
        if forecast.steps is None
        else contradictions(expected.timeline, forecast.steps // epochs, epochs, forecast),
        hours=forecast.hours,
        usd=forecast.usd,
        not_forecast=forecast.basis if forecast.hours is None else "",
        usd_per_hour=forecast.usd_per_hour,
        budget_usd=run.config.budget_usd,
        max_hours=run.target.max_hours,
        approval=approval(run.paths.approval),
        sample_digest=data_digest([run.paths.sample]),
        device_note=run.settings.device.why,
        evidence=[str(sample / "contact_sheet.png")],
    ).write(outputs.measurements)


def items(digests: InputDigests) -> list[Item]:
    """The critical items of the launch checklist."""
    run = digests.run
    environment, connection = run.target.environment, run.target.connection
    found = [
        verdicts_hold(digests),
        unbuffered(environment),
        forbidden_environment(run.settings.accelerator, environment),
    ]
    experiment = run.load_experiment()
    found += [Item(name=name, ok=ok, detail=detail) for name, ok, detail in experiment.assets_needed()]
    found += [reaches_the_machine(key, asset) for key, asset in experiment.pretrained().items()]
    if own := run.experiment_config.requirements:
        found.append(packages_are_named(run.settings.root / own.expanduser()))
    if isinstance(connection, Ssh):
        found += [
            file_exists("SSH key", connection.key_file),
            file_exists("known host keys", connection.known_hosts),
        ]
    return found


def verdicts_hold(digests: InputDigests) -> Item:
    name = "Verdicts are about today's data, code and config"
    try:
        confirmed = confirm_up_to(digests, "memory")
    except UserError as error:
        return Item(name=name, ok=False, detail=str(error))
    overridden = [verdict.title for verdict in confirmed if verdict.override]
    detail = f"{len(confirmed)} gates" + (f"; overridden: {', '.join(overridden)}" if overridden else "")
    return Item(name=name, ok=True, detail=detail)


def unbuffered(environment: Mapping[str, str]) -> Item:
    value = environment.get("PYTHONUNBUFFERED")
    detail = "set" if value else "unset: the log would arrive in blocks; set it in the target's environment"
    return Item(name="PYTHONUNBUFFERED", ok=bool(value), detail=detail)


def forbidden_environment(accelerator: Accelerator, environment: Mapping[str, str]) -> Item:
    present = [name for name in accelerator.forbidden_environment if name in environment]
    detail = f"{', '.join(present)} must not be set on {accelerator.title}" if present else "no forbidden variable"
    return Item(name=f"Environment for {accelerator.title}", ok=not present, detail=detail)


def reaches_the_machine(key: str, asset: Asset) -> Item:
    """How a pretrained file gets there: what is sent is compared by hash there, what is fetched by its sha256."""
    name = f"settings.{key} on the machine"
    sent = size_bytes(list(asset.sent(key).values()))
    ways = [f"{gigabytes(sent)} of it are sent"] if sent else []
    for place, (address, _) in asset.fetched(key).items():
        if problem := no_answer(address):
            return Item(name=name, ok=False, detail=f"the machine is to fetch {address}: {problem}")
        ways.append(f"the machine fetches {PurePosixPath(place).name} from {urlsplit(address).hostname}")
    return Item(name=name, ok=bool(ways), detail="; ".join(ways) or f"{asset.path}: not there, so nothing can be sent")


def no_answer(address: str) -> str:
    """Why an address gives nothing; empty: it answers. Only its head is asked for."""
    asked = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(asked, timeout=ADDRESS_S):
            return ""
    except (OSError, HTTPException) as error:
        return f"it does not answer ({getattr(error, 'reason', None) or error})"


def packages_are_named(requirements: Path) -> Item:
    name = "Packages that the machine installs"
    try:
        return Item(name=name, ok=True, detail=f"{len(pip_lines(requirements))} of {requirements}")
    except UserError as error:
        return Item(name=name, ok=False, detail=str(error))


def file_exists(name: str, path: Path) -> Item:
    path = path.expanduser()
    return Item(name=name, ok=path.is_file(), detail=str(path) if path.is_file() else f"{path}: no such file")


def approval(path: Path) -> Approval | None:
    """What `gonogo approve` recorded; None where nobody has approved.

    Raises:
        UserError: the file holds something else.
    """
    if not path.exists():
        return None
    try:
        return Approval.model_validate_json(path.read_text())
    except ValueError:
        raise UserError(f"{path}: not an approval; remove it and approve again with: gonogo approve") from None
