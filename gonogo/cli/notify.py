"""`gonogo notify`: whom the workflow tells what happens, and whether they can be reached."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.text import shown
from gonogo.cli import site
from gonogo.config.notify import keep_secrets, literal_secret
from gonogo.notify.channel import name_of
from gonogo.notify.deliver import deliver_all
from gonogo.notify.notice import notice


def add_notify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_notify)
    parser.add_argument("--test", action="store_true", help="send a test to each; exit code 1: one did not take it")


def _notify(arguments: argparse.Namespace) -> int:
    entries = site.config(Path()).notify
    keep_secrets(entries)
    if readable := literal_secret(entries):
        raise UserError(f"config/config.yaml: {readable}")
    if not entries:
        raise UserError(
            "notify: config/config.yaml names nobody: add a URL or a command, such as https://ntfy.sh/TOPIC"
        )
    if not arguments.test:
        print("\n".join(shown(name_of(entry)) for entry in entries))
        return 0
    told = notice("test", "gonogo: a test", "This is how gonogo notifies you: gonogo notify --test was run.")
    outcome = deliver_all(entries, told)
    for name, problem in outcome:
        print(shown(f"NOT TAKEN  {name} {problem}" if problem else f"taken      {name}"), flush=True)
    return 1 if any(problem for _, problem in outcome) else 0
