"""`gonogo steps`: what a paid run does on each target of config/targets/, and what it skips there."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gonogo.base.shipped import shipped_files
from gonogo.cli import site
from gonogo.config.load import Settings
from gonogo.config.target import Slurm, Ssh


def add_steps(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_run)
    parser.add_argument("targets", nargs="*", help="names in config/targets/ (default: all)")


def _run(arguments: argparse.Namespace) -> int:
    for target in arguments.targets or known_targets(Path()):
        print("\n".join([f"{target}:", *(step.line() for step in steps(Path(), target))]))
    return 0


def known_targets(root: Path) -> list[str]:
    """Those of the folder, and those that ship."""
    folders = (root / "config" / "targets", shipped_files() / "config" / "targets")
    return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})


@dataclass(frozen=True)
class TargetStep:
    """One step on one machine; `why` says where it happens, or why it is skipped."""

    name: str
    kept: bool
    why: str

    def line(self) -> str:
        return f"  {'keep' if self.kept else 'skip'}  {self.name:12s} {self.why}"


def steps(root: Path, target: str) -> list[TargetStep]:
    """In the order in which they are done.

    Raises:
        UserError: the target's file is wrong.
    """
    return list(_steps(site.settings(root, target=target)))


def _steps(settings: Settings) -> Iterator[TargetStep]:
    target, card, ssh = settings.target, settings.accelerator, settings.target.connection
    own = isinstance(ssh, Ssh)
    yield TargetStep("data, gates", True, "on this machine: generate, judge, smoke run, memory trace, forecast")
    if isinstance(ssh, Ssh):
        first = "trusted on first use" if ssh.trust_on_first_use else f"must be in {ssh.known_hosts}"
        yield TargetStep("host key", True, f"of {ssh.host}: {first}")
        yield TargetStep("upload", True, f"to {ssh.user}@{ssh.host}:{target.root}")
    elif isinstance(ssh, Slurm):
        where = f"partition {ssh.partition}" if ssh.partition else "the default partition"
        yield TargetStep("host key", False, "the server in the job makes new keys for each job")
        yield TargetStep("upload", True, f"to one job of Slurm on {where}, over the disk that its node shares")
    else:
        yield TargetStep("host key", False, "the embedded server makes new keys for each run")
        yield TargetStep("upload", True, "to the embedded server on this machine")
    if target.python == "this":
        yield TargetStep("environment", False, "python: this, the interpreter that runs gonogo")
    else:
        index = f", torch from {card.torch_index}" if card.torch_index else ""
        yield TargetStep("environment", True, f"created once from requirements-train.lock with {target.python}{index}")
    variables = sorted({**card.environment, **target.environment})
    yield TargetStep("variables", bool(variables), f"set: {', '.join(variables)}" if variables else "none needed")
    forbidden = ", ".join(card.forbidden_environment)
    yield TargetStep("unset", bool(forbidden), f"{forbidden} must not be set" if forbidden else "none forbidden")
    probed = bool(card.device_name) and not settings.device.cpu
    yield TargetStep(
        "device name", probed, f"must be {card.device_name}" if probed else f"{card.title}: no name to check"
    )
    yield TargetStep("canary, run", True, f"on {card.title}, at most {target.max_hours:g} h")
    yield TargetStep(
        "download", True, f"verified; checkpoints every {target.fetch_checkpoints_minutes:g} min during the run"
    )
    how = target.release.how
    released = own and how != "none"
    alone = "release: none; the machine is yours and billing continues" if own else "nothing was rented"
    yield TargetStep("release", released, f"{how}, then check that it is gone" if released else alone)
