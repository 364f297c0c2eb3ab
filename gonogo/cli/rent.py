"""`gonogo rent`: the target's machine, rented after a look at its price."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.text import shown
from gonogo.cli import site
from gonogo.config.load import Settings, validate
from gonogo.config.target import Rent, Target
from gonogo.stages.rent import rent_machine
from gonogo.stages.rent_fit import cheapest_fit
from gonogo.stages.rent_order import Renting

INTERRUPTED = 130


def add_rent(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "The price is shown before anything is rented. Then the workflow uses the machine, and releases it when all "
        "results are downloaded; gonogo release does so at once. If anything fails before it answers, it is released."
    )
    parser.set_defaults(run=_run)
    parser.add_argument("target", help="name in config/targets/, whose key `rent` says what is rented")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--type", help="EC2's instance type or DigitalOcean's size (default: rent.type)")
    which.add_argument(
        "--fits",
        metavar="EXPERIMENT",
        help="the cheapest of rent.types whose card its training step fits, by its memory gate's plan",
    )
    parser.add_argument(
        "--max-usd-per-hour", type=float, metavar="X", help="rent nothing that costs more (default: the target's)"
    )
    parser.add_argument("--spot", action="store_true", default=None, help="EC2: spare capacity (default: rent.spot)")
    parser.add_argument("--yes", action="store_true", help="rent without asking")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    settings = site.settings(Path(), target=arguments.target, results_dir=arguments.results)
    given = {"type": arguments.type, "max_usd_per_hour": arguments.max_usd_per_hour, "spot": arguments.spot}
    rent = _rent(settings, {key: value for key, value in given.items() if value is not None})
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)  # releases the machine, as Ctrl-C does
    try:
        renting = Renting(settings, rent, _say)
        if arguments.fits:
            renting = cheapest_fit(renting, arguments.fits)
        rented = rent_machine(renting, (lambda _: True) if arguments.yes else _agrees)
    except KeyboardInterrupt:
        _say("nothing was rented")
        return INTERRUPTED
    return 0 if rented else 1


def _rent(settings: Settings, given: dict[str, Any]) -> Rent:
    """The target's, with the flags that were given over it."""
    where = f"config/targets/{settings.config.target}.yaml"
    if settings.target.rent is None:
        raise UserError(f"{where}: has no key `rent`, which says what to rent; docs/cloud.md has examples")
    raw = settings.target.model_dump(mode="json")
    found = validate(Target, {**raw, "rent": {**raw["rent"], **given}}, f"{where} with the flags of gonogo rent").rent
    assert found is not None, "it is given"
    return found


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError(f"{question} Nobody is there to answer: say so with --yes. Nothing was rented.")
    try:
        return input(shown(f"{question} [y/N] ")).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _say(text: str) -> None:
    print(shown(text), file=sys.stderr, flush=True)
