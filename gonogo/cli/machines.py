"""`gonogo release` and `gonogo machines`: what bills on, and how that ends."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.cli import site
from gonogo.config.load import Settings, load_target
from gonogo.config.target import Slurm
from gonogo.remote.providers import provider
from gonogo.remote.rented import Rented
from gonogo.stages.held import unfetched
from gonogo.stages.held_machines import HeldMachine, held_file, held_folder, held_machines
from gonogo.stages.release import forget, release_machine
from gonogo.stages.rent import abandon
from gonogo.stages.rent_order import order_file

TARGETS = Path("config/targets")


def add_release(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_release)
    parser.add_argument("--target", help="name in config/targets/ (default: config.yaml's)")
    parser.add_argument(
        "--discard",
        action="store_true",
        help="release even if results were not downloaded (they will be lost), or if the machine cannot be asked",
    )
    parser.add_argument(
        "--gone", metavar="HOST", help="release nothing: you have seen in the provider's console that HOST is gone"
    )
    site.add_results(parser)


def add_machines(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_machines)
    parser.add_argument("--json", action="store_true", help="print JSON")
    site.add_results(parser)


def _release(arguments: argparse.Namespace) -> int:
    settings = site.settings(Path(), target=arguments.target, results_dir=arguments.results)
    if arguments.gone:
        held = forget(settings, arguments.gone)
        print(f"{held.name} is no longer held here, after {held.cost}")
        return 0
    if isinstance(settings.target.connection, Slurm):
        return 0 if _job_cancelled(settings, even_unfetched=arguments.discard) else 1
    if not held_file(settings).exists() and not order_file(settings).exists():
        print(f"no machine of target {settings.config.target} is held, as far as is known here")
        return 0
    released = release_machine(settings, print, even_unfetched=arguments.discard)
    if order_file(settings).exists():
        abandon(settings, print)
        print(f"what gonogo rent had ordered for target {settings.config.target} is released")
    return 0 if released else 1


def _job_cancelled(settings: Settings, even_unfetched: bool) -> bool:
    """Whether Slurm has no job of the target any more; says its state by Slurm's own account."""
    from gonogo.remote import allocation

    target = settings.config.target
    folder = allocation.folder_of(settings.config.results_dir, target)
    job = allocation.at_work(folder)
    if not job:
        print(f"no job of target {target} is in Slurm's queue, as far as is known here")
        return True
    runs = unfetched(settings)
    if runs and not even_unfetched:
        print(f"job {job} of Slurm is kept: {', '.join(runs)} is not fetched. Fetch it, or: gonogo release --discard")
        return False
    allocation.cancel(folder)
    state, _ = allocation.state_of(job)
    print(f"job {job} of Slurm is cancelled; Slurm says: {state or 'no such job'}")
    return state not in (*allocation.QUEUED, *allocation.AT_WORK)


@dataclass
class Listing:
    """What bills on, as far as it can be told from here."""

    held: list[tuple[str, HeldMachine]] = field(default_factory=list)  # target and machine
    # target and machine: it carries the target's tag, and no hold here knows it
    orphans: list[tuple[str, Rented]] = field(default_factory=list)
    not_asked: dict[str, str] = field(default_factory=dict)  # target → why its provider could not be asked

    @property
    def well(self) -> bool:
        """Nothing bills on that should be gone, and the provider of each machine that is held was asked."""
        states, targets = {machine.state for _, machine in self.held}, {target for target, _ in self.held}
        return not (self.orphans or states & {"alarm", "unknown"} or targets & set(self.not_asked))


def listing(results: Path, targets: Path) -> Listing:
    """Of one results folder, and of what the providers of the targets in this folder list under their tags."""
    found = Listing()
    for path in sorted(held_folder(results).glob("*.json")):
        found.held += [(path.stem, machine) for machine in held_machines(path)]
    known = {machine.machine.id for _, machine in found.held if machine.machine}
    for path in sorted(targets.glob("*.yaml")):
        try:
            release = load_target(targets.parent, path.stem).release
            if release.how == "destroy" and release.provider in ("digitalocean", "ec2"):
                more = [machine for machine in provider(release).find() if machine.id not in known]
                known |= {machine.id for machine in more}
                found.orphans += [(path.stem, machine) for machine in more]
        except UserError as error:
            found.not_asked[path.stem] = str(error)
    return found


def _machines(arguments: argparse.Namespace) -> int:
    results = site.results_dir(arguments)
    found = listing(results, TARGETS)
    print(json.dumps(_as_json(found, results), indent=1) if arguments.json else "\n".join(_as_text(found, results)))
    return 0 if found.well else 1


def _as_json(found: Listing, results: Path) -> dict[str, Any]:
    return {
        "results_dir": str(results),
        "held": [
            {"target": target, "held_s": round(one.held_s), "usd": round(one.usd, 2), **one.model_dump(mode="json")}
            for target, one in found.held
        ],
        "orphans": [
            {"target": target, "id": one.id, "name": one.name, "addresses": list(one.addresses or ())}
            for target, one in found.orphans
        ],
        "not_asked": found.not_asked,
    }


def _as_text(found: Listing, results: Path) -> list[str]:
    lines = []
    for target, one in found.held:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.since))
        lines.append(f"{one.state.upper()}  {one.name}, target {target}, since {since}: {one.cost}")
        lines.append(f"  by {results}: {', '.join(one.experiments) or 'no experiment is noted'}")
        lines += [f"  {time.strftime('%m-%d %H:%M', time.localtime(e.at))}  {clean(e.what)}" for e in one.evidence[-3:]]
    for target, orphan in found.orphans:
        lines.append(
            f"ORPHAN  {clean(orphan.name)} ({orphan.id}) at {', '.join(orphan.addresses or ()) or 'no address'} has "
            f"the tag of target {target}, and {results} does not hold it: it bills on, unless another folder uses it"
        )
    lines += [f"NOT ASKED  target {target}: {why}" for target, why in found.not_asked.items()]
    return lines or [f"no machine is held by {results}, and no provider lists one with a target's tag"]
