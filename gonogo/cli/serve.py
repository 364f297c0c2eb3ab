"""`gonogo serve`: the pages of all experiments in a browser, kept up to date as files change."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.cli import site
from gonogo.report.page.approval import Approver
from gonogo.report.page.state import ChainState
from gonogo.stages.approval import approve, sample_digest, standing_approval
from gonogo.stages.page import command_now

PORT = 8421


def add_serve(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "It listens on this machine only. From another machine: ssh -L 8421:127.0.0.1:8421 HOST"
    parser.set_defaults(run=_run)
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s; 0: any free port")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    from gonogo.report.page.server import PageServer

    results = site.results_dir(arguments)
    if not results.is_dir():
        raise UserError(f"{results} is not there: nothing has run in this results folder")
    try:
        server = PageServer(results, arguments.port, command, approver(results))
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {arguments.port}: {error}; name another port, or 0 for any free one") from None
    try:
        print(f"{server.address}  (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    finally:
        server.server_close()
    return 0


def approver(results: Path) -> Approver:
    """What the pages' form writes is what `gonogo approve` writes."""

    def given(experiment: str) -> str:
        found = standing_approval(results / experiment)
        return f"{found.by}, {found.approved_at}" if found else ""

    return Approver(
        digest=lambda experiment: sample_digest(results / experiment),
        given=given,
        record=lambda experiment, by, note, digest: approve(results / experiment, experiment, by, note, digest),
    )


def command(state: ChainState) -> str:
    """What to run now, as far as results alone tell."""
    mode = {"mode": state.mode} if state.mode else {}
    return command_now(state, rerun_command(experiments=state.experiment, **mode))
