"""The critical items of a launch: what the paid run and its predictions cannot do without, each checked now."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from gonogo.base.errors import UserError
from gonogo.base.files import survey_size
from gonogo.base.shipped import own_or_shipped
from gonogo.base.units import gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Ssh
from gonogo.experiment.contract import Experiment
from gonogo.experiment.pretrained import Asset, shown_address
from gonogo.forecast.stage_times import size_bytes
from gonogo.gates.launch import Item
from gonogo.project.requirements import pip_lines
from gonogo.quality.workers import available_cores
from gonogo.runtime.context import Run
from gonogo.stages.freshness import InputDigests, confirm_up_to
from gonogo.stages.setup import TRAIN_LOCK

ADDRESS_S = 20.0
NAMED = 3  # of the scripts


def critical_items(digests: InputDigests) -> list[Item]:
    """One for each thing; an experiment that predicts nothing has no inference script, and so on."""
    run, connection = digests.run, digests.run.target.connection
    experiment = run.load_experiment()
    found = [
        verdicts_hold(digests),
        data_set(run.data_folders),
        scripts("Training script", experiment, of_inference=False),
        scripts("Inference script", experiment, of_inference=True)
        if experiment.predicts
        else Item(name="Inference script", ok=True, detail="none: the results gate judges what the run logs"),
        *command_flags(experiment),
        *pretrained(experiment),
        packages_here(experiment),
        packages_are_named(_requirements(run)),
        unbuffered(run.target.environment),
        forbidden_environment(run.settings.accelerator, run.target.environment),
        *devices_here(run.training.devices, run.settings.accelerator),
        *one_machine(run.training.num_nodes),
    ]
    if isinstance(connection, Ssh):
        found += [
            file_exists("SSH key", connection.key_file),
            file_exists("Known host keys", connection.known_hosts),
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


def data_set(folders: Sequence[Path]) -> Item:
    name = "Data set"
    sizes = {folder: survey_size(folder) if folder.is_dir() else (0, 0) for folder in folders}
    if lacking := [folder for folder, (files, _) in sizes.items() if not files]:
        why = "no files in it" if lacking[0].is_dir() else "not there"
        return Item(name=name, ok=False, detail=f"{lacking[0]}: {why}")
    files, size = (sum(part) for part in zip(*sizes.values(), strict=True))
    where = f"{folders[0].parent}, {len(folders)} folders" if len(folders) > 1 else str(folders[0])
    return Item(name=name, ok=True, detail=f"{where}, {files} files, {gigabytes(size)}")


def scripts(name: str, experiment: Experiment, *, of_inference: bool) -> Item:
    """Whether they are there; and of training, whether they are among what is sent."""
    files, top = experiment.scripts(of_inference=of_inference), experiment.import_root()
    shown = [file.relative_to(top).as_posix() if file.is_relative_to(top) else str(file) for file in files]
    if lacking := [said for file, said in zip(files, shown, strict=True) if not file.exists()]:
        return Item(name=name, ok=False, detail=f"{', '.join(lacking)}: not there")
    sent = {file.resolve() for file in experiment.source_files()}
    unsent = [said for file, said in zip(files, shown, strict=True) if file.is_file() and file.resolve() not in sent]
    if unsent and not of_inference and experiment.config.code:
        why = "not among the files that are sent; name it in `code`"
        return Item(name=name, ok=False, detail=f"{', '.join(unsent)}: {why}")
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return Item(name=name, ok=True, detail=", ".join(shown[:NAMED]) + more or "an installed program")


def command_flags(experiment: Experiment) -> list[Item]:
    """Of an experiment that is given as commands."""
    if experiment.config.command is None:
        return []
    name, wrong = "Flags of the training command", experiment.flags_of_commands()
    known = "its script accepts all of them" if wrong is not None else "not known: the script's source does not say"
    return [Item(name=name, ok=not wrong, detail="; ".join(wrong or []) or known)]


def pretrained(experiment: Experiment) -> list[Item]:
    """The pretrained files that the settings name, and the checkpoint that training begins with."""
    found = [Item(name=name, ok=ok, detail=detail) for name, ok, detail in experiment.assets_needed()]
    found += [reaches_the_machine(key, asset) for key, asset in experiment.pretrained().items()]
    found = found or [Item(name="Pretrained files", ok=True, detail="none is named")]
    if experiment.config.starts_from is not None:
        name, start = "Checkpoint that training begins with", experiment.starts_from
        there = start is not None and start.is_file()
        found.append(Item(name=name, ok=there, detail=str(start) if there else f"{start or 'none yet'}: not there"))
    return found


def reaches_the_machine(key: str, asset: Asset) -> Item:
    """How a pretrained file gets there: what is sent is compared by hash there, what is fetched by its sha256."""
    name = f"settings.{key} on the machine"
    sent = size_bytes(list(asset.sent(key).values()))
    ways = [f"{gigabytes(sent)} are sent"] if sent else []
    for place, (address, _) in asset.fetched(key).items():
        if problem := no_answer(address):
            return Item(name=name, ok=False, detail=f"the machine cannot fetch {shown_address(address)}: {problem}")
        ways.append(f"the machine fetches {PurePosixPath(place).name} from {urlsplit(address).hostname}")
    return Item(name=name, ok=bool(ways), detail="; ".join(ways) or f"{asset.path}: not there, so nothing can be sent")


def no_answer(address: str) -> str:
    """Why an address gives nothing; empty: it answers. It is asked as the machine will, for the first byte alone.

    Not for its head: signed addresses and some servers refuse that.
    """
    asked = urllib.request.Request(address, headers={"Range": "bytes=0-0"})
    try:
        with urllib.request.urlopen(asked, timeout=ADDRESS_S):
            return ""
    except (OSError, HTTPException, ValueError) as error:
        return f"it does not answer ({getattr(error, 'reason', None) or error})"


def packages_here(experiment: Experiment) -> Item:
    """Of this machine, which predicts with what comes back."""
    name = "Packages on this machine"
    try:
        experiment.check_packages()
    except UserError as error:
        return Item(name=name, ok=False, detail=str(error))
    needed = {**experiment.framework, **experiment.packages}
    return Item(name=name, ok=True, detail=", ".join(needed) or "no others than gonogo's own")


def packages_are_named(requirements: Path) -> Item:
    """Of a user's own file, or of the lock that ships."""
    name = "Packages that the machine installs"
    try:
        lines = requirements.read_text().splitlines() if requirements.name == TRAIN_LOCK else pip_lines(requirements)
    except UserError as error:
        return Item(name=name, ok=False, detail=str(error))
    except OSError:
        return Item(name=name, ok=False, detail=f"{requirements}: not there")
    return Item(name=name, ok=True, detail=f"{sum(line[:1].isalnum() for line in lines)} of {requirements}")


def _requirements(run: Run) -> Path:
    own = run.experiment_config.requirements
    return run.settings.root / own.expanduser() if own else own_or_shipped(run.settings.root / TRAIN_LOCK, TRAIN_LOCK)


def unbuffered(environment: Mapping[str, str]) -> Item:
    value = environment.get("PYTHONUNBUFFERED")
    detail = "set" if value else "unset: the log would arrive in blocks; set it in the target's environment"
    return Item(name="PYTHONUNBUFFERED", ok=bool(value), detail=detail)


def forbidden_environment(accelerator: Accelerator, environment: Mapping[str, str]) -> Item:
    present = [name for name in accelerator.forbidden_environment if name in environment]
    detail = f"{', '.join(present)} must not be set on {accelerator.title}" if present else "no forbidden variable"
    return Item(name=f"Environment for {accelerator.title}", ok=not present, detail=detail)


def devices_here(asked: int, accelerator: Accelerator) -> list[Item]:
    """Of a run on this machine's processor, where each process needs a core; `setup` counts those of another."""
    if asked == 1 or not accelerator.is_this_machine:
        return []
    there = available_cores()
    fix = f": set training.devices: {there}, or choose a target with {asked}" if there < asked else ""
    detail = f"training.devices asks for {asked} devices, and the machine has {there}{fix}"
    return [Item(name="Devices that train together", ok=there >= asked, detail=detail)]


def one_machine(asked: int) -> list[Item]:
    """A run is started by the agent of one machine, rented, of a cluster or here."""
    if asked == 1:
        return []
    detail = (
        f"training.num_nodes asks for {asked} machines, and the agent starts a run on one: set num_nodes: 1, and "
        "devices to the cards of a machine"
    )
    return [Item(name="Machines that train together", ok=False, detail=detail)]


def file_exists(name: str, path: Path) -> Item:
    path = path.expanduser()
    return Item(name=name, ok=path.is_file(), detail=str(path) if path.is_file() else f"{path}: no such file")
