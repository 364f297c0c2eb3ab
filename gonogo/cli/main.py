"""`gonogo`: what people do beside the workflow."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.base.extras import missing_extra
from gonogo.base.text import shown

# command → module of this package, whose function `add_COMMAND` gives the parser its arguments, and one clear line
COMMANDS = {
    "check": ("check", "check a training script as it is: its data, wiring, learning, and memory on a GPU"),
    "inspect": ("inspect", "judge a folder of data, without a workflow"),
    "init": ("init", "write what the workflow needs into a repository, from what lies there"),
    "memory": ("memory", "estimate the peak memory of a training step on a GPU, without that GPU"),
    "plan": ("plan", "check whether a training step fits the GPU, and suggest plans that do; needs no data"),
    "next": ("next_actions", "list what can run now, what is blocked, and how to unblock it"),
    "approve": ("approve", "approve a generated sample, after looking at its contact sheet"),
    "compare": ("config_diff", "list the settings in which two experiments differ"),
    "sweep": ("sweep", "list the variants of a sweep with their gates, skill and cost, the best first"),
    "steps": ("target_steps", "list the steps of a paid run on each target, and those that it skips"),
    "schedule": ("schedule", "plan runs back to back, each starting once its data is ready"),
    "attach": ("remote", "stream a remote run's log; watching renews its lease"),
    "stop": ("remote", "stop a remote run; its checkpoints stay on the machine"),
    "rent": ("rent", "rent the target's machine after a look at its price, and write its address to the target"),
    "release": ("machines", "release the machine, once all results are downloaded and verified"),
    "machines": ("machines", "list machines that are held and bill, and those with a target's tag that nobody holds"),
    "review": ("review", "summarise a run's folder: log warnings, success criteria, files"),
    "watch": ("watch", "show where each chain stands, and what is running"),
    "serve": ("serve", "serve the experiments' pages to a browser on this machine, kept up to date"),
    "notify": ("notify", "list who is notified, and (--test) whether they can be reached"),
    "infer": ("infer", "run the trained model on one new input"),
    "runs": ("runs", "list all runs: verdict, data, metrics, time and money"),
    "show": ("show", "show one run: settings, verdicts, metrics, stages"),
    "diff": ("diff", "list what differs between two runs, or draw it side by side"),
    "cost": ("cost", "add up time and money, with what was wasted and saved"),
    "search": ("runs", "find runs by a text in anything recorded of them"),
    "health": ("health", "test this machine's GPU and CPU, each in a separate process"),
}
ARGUMENTS_OF_ANOTHER = ("--rehearse-with", "--vary")  # options whose value is another command's options
FAILED = 1  # exit code of a command that could not do its work, unless it sets `on_error`


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = _joined(sys.argv[1:] if argv is None else list(argv))
    arguments = _parser(next((word for word in words if not word.startswith("-")), "")).parse_args(words)
    try:
        return int(arguments.run(arguments))
    except UserError as error:
        print(shown(f"error: {error}"), file=sys.stderr)
    except Exception as problem:  # an error of ours is no verdict: its exit code must not be that of a NO-GO
        if lacking := missing_extra(problem):
            print(f"error: {lacking}", file=sys.stderr)
        else:
            traceback.print_exc()
    return int(getattr(arguments, "on_error", FAILED))


def _joined(words: Sequence[str]) -> list[str]:
    """`--rehearse-with --epochs=1` as one word: argparse would take the value for an option of its own."""
    own = words.index("--") if "--" in words else len(words)
    joined: list[str] = []
    for index, word in enumerate(words):
        if 0 < index < own and words[index - 1] in ARGUMENTS_OF_ANOTHER:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _parser(chosen: str) -> argparse.ArgumentParser:
    """With the arguments of one command, so that no other's module is imported."""
    parser = argparse.ArgumentParser(
        prog="gonogo",
        description="Commands beside the workflow. `gonogo COMMAND --help` describes each.",
        epilog=f"The workflow itself: {rerun_command()}",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name == chosen:
            getattr(importlib.import_module(f"gonogo.cli.{module}"), f"add_{name}")(command)
    return parser
