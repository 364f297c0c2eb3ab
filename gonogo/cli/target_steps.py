"""What the paid leg does on each machine that is described in config/targets/, and what it leaves out there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from gonogo.config.load import Settings, load
from gonogo.config.target import Ssh


@dataclass(frozen=True)
class Step:
    """One step on one machine; `why` says where it happens, or why it is left out."""

    name: str
    kept: bool
    why: str

    def line(self) -> str:
        return f"  {'keep' if self.kept else 'skip'}  {self.name:12s} {self.why}"


def known_targets(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "config" / "targets").glob("*.yaml"))


def steps(root: Path, target: str) -> list[Step]:
    """In the order in which they are done.

    Raises:
        UserError: the target's file is wrong.
    """
    raw = yaml.safe_load((root / "config" / "config.yaml").read_text())
    return list(_steps(load({**raw, "target": target}, root)))


def told(target: str, found: list[Step]) -> str:
    return "\n".join([f"{target}:", *(step.line() for step in found)])


def _steps(settings: Settings) -> Iterator[Step]:
    target, card, ssh = settings.target, settings.accelerator, settings.target.connection
    own = isinstance(ssh, Ssh)
    yield Step("data, gates", True, "here: generated, judged, rehearsed, traced, forecast")
    if isinstance(ssh, Ssh):
        first = "taken unseen on first use" if ssh.trust_on_first_use else f"must be in {ssh.known_hosts}"
        yield Step("host key", True, f"of {ssh.host}: {first}")
        yield Step("upload", True, f"to {ssh.user}@{ssh.host}:{target.root}")
    else:
        yield Step("host key", False, "the embedded server has keys of its own for each run")
        yield Step("upload", True, "to a server of our own on this machine")
    if target.python == "this":
        yield Step("environment", False, "python: this, the interpreter that runs gonogo")
    else:
        index = f", torch from {card.torch_index}" if card.torch_index else ""
        yield Step("environment", True, f"made once from requirements.lock by {target.python}{index}")
    variables = sorted({**card.environment, **target.environment})
    yield Step("variables", bool(variables), f"set: {', '.join(variables)}" if variables else "none are asked for")
    forbidden = ", ".join(card.forbidden_environment)
    yield Step("unset", bool(forbidden), f"{forbidden} must not be set" if forbidden else "none are forbidden")
    probed = bool(card.device_name) and not settings.device.cpu
    yield Step(
        "device name", probed, f"must be {card.device_name}" if probed else f"{card.title} is not held against a name"
    )
    yield Step("canary, run", True, f"on {card.title}, at most {target.max_hours:g} h")
    yield Step("download", True, f"verified; checkpoints every {target.fetch_checkpoints_minutes:g} min meanwhile")
    how = target.release.how
    released = own and how != "none"
    alone = "release: none: it is yours, and bills on" if own else "nothing was rented"
    yield Step("release", released, f"{how}, and a look whether it is gone" if released else alone)
