"""The agent's command line. A command imports only what it needs: an archive's modules are compiled at every start."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .json_files import NO_ROOM, Problem
from .use_lock import in_use

Arguments = argparse.Namespace


def _names(args: Arguments) -> list[str]:
    return json.load(sys.stdin) if args.names else [""]


def _adopt(lifecycle: Any, args: Arguments) -> Any:
    one = (args.folder / "run.json").exists()
    return lifecycle.adopt(args.folder) if one else lifecycle.adopt_all(args.folder)


# name → module, and what is done with it and the command's options; the answer is written as JSON
COMMANDS: dict[str, tuple[str, Callable[[Any, Arguments], Any]]] = {
    "manifest": ("files", lambda files, args: files.manifest(args.folder, _names(args))),
    "remove": ("files", lambda files, args: files.remove(args.folder, _names(args))),
    "read": ("files", lambda files, args: files.read_text(args.folder)),
    "put": ("files", lambda files, args: files.put_text(args.folder, sys.stdin.buffer.read())),
    "checkpoints": ("files", lambda files, args: files.checkpoints(args.folder)),
    "saved": ("saved", lambda saved, args: saved.saved(args.folder, json.load(sys.stdin), args.run)),
    "fetch": ("fetch", lambda fetch, args: fetch.fetch(args.folder, json.load(sys.stdin))),
    "reuse": ("incoming", lambda incoming, args: incoming.reuse(args.folder, json.load(sys.stdin))),
    "verify": ("incoming", lambda incoming, args: incoming.verify(args.folder)),
    "active": ("locks", lambda locks, args: locks.active(args.folder)),
    "busy": ("turns", lambda turns, args: turns.busy(args.folder)),
    "turn": ("turns", lambda turns, args: turns.turn(args.folder)),
    "launch": (
        "lifecycle",
        lambda lifecycle, args: lifecycle.launch(args.folder, lifecycle.read_request(sys.stdin.buffer)),
    ),
    "adopt": ("lifecycle", _adopt),
    "runs": ("runs", lambda runs, args: runs.runs(args.folder)),
    "status": ("status", lambda status, args: status.status(args.folder)),
    "stop": ("status", lambda status, args: status.stop(args.folder)),
    "lease": ("status", lambda status, args: status.lease(args.folder)),
    "collected": ("release", lambda release, args: release.collected(args.folder)),
    "release": ("release", lambda release, args: release.release(args.folder, "requested")),
    "installed": ("json_files", lambda _, args: {"new": os.environ.get("GONOGO_AGENT_IS_NEW") == "1"}),
    "setup": (
        "setup",
        lambda setup, args: setup.setup(
            args.requirements, args.torch_index, args.forbid, args.shutdown, args.environment, args.seconds
        ),
    ),
}
# these write bytes or lines themselves
STREAMS: dict[str, tuple[str, Callable[[Any, Arguments], None]]] = {
    "receive": ("streams", lambda streams, args: streams.receive_files(args.folder, args.owner)),
    "send": ("streams", lambda streams, args: streams.send_files(args.folder)),
    "follow": ("follow", lambda follow, args: follow.follow(args.folder, args.offset)),
}

# while one of these is under way, the machine does not shut itself down
USES = ("manifest", "fetch", "remove", "reuse", "verify", "checkpoints", "receive", "send", "launch", "adopt", "setup")


def _parser(wanted: str) -> argparse.ArgumentParser:
    """With the options of the command that is wanted alone, where it is one."""
    parser = argparse.ArgumentParser(prog="agent.pyz", description="gonogo's agent: runs and files on this machine")
    commands = parser.add_subparsers(dest="command", required=True)
    names = [*COMMANDS, *STREAMS]
    for name in [wanted] if wanted in names else names:
        command = commands.add_parser(name)
        if name == "installed":
            continue
        if name == "setup":
            command.add_argument("--requirements", type=Path)
            command.add_argument("--environment", default="env")
            command.add_argument("--seconds", type=float, default=3600.0)
            command.add_argument("--torch-index", default="")
            command.add_argument("--forbid", action="append", default=[])
            command.add_argument("--shutdown", default="")
        else:
            command.add_argument("folder", type=Path)
        if name in ("manifest", "remove"):
            command.add_argument("--names", action="store_true", help="only these names, a JSON list on stdin")
        if name == "saved":
            command.add_argument("--run", type=Path, help="folder of the run; patterns, a JSON list on stdin")
        if name == "follow":
            command.add_argument("--offset", type=int, default=0)
        if name == "receive":
            command.add_argument("--owner", required=True)
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; a failure is a message on stderr and exit code 1."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    args = _parser(arguments[0] if arguments else "").parse_args(arguments)
    module, work = {**COMMANDS, **STREAMS}[args.command]
    try:
        if args.command in ("launch", "adopt"):
            importlib.import_module(".machine_checks", __package__).outlive_the_login(sys.argv)
        print(flush=True)  # ends the line of a login script that did not
        with in_use(args.command) if args.command in USES else contextlib.nullcontext():
            answer = work(importlib.import_module("." + module, __package__), args)
        if args.command in COMMANDS:
            print(json.dumps(answer), flush=True)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        where_to_look = " (df -h; df -i; quota; ulimit -f)" if error.errno in NO_ROOM else ""
        print(f"{error.filename or args.command}: {error.strerror or error}{where_to_look}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
