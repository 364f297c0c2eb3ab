"""`gonogo`: what people do beside the workflow."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.units import dollars
from gonogo.cli import plan as plan_command
from gonogo.cli.remote import add_to
from gonogo.gates.launch import Approval
from gonogo.quality.registry import KINDS
from gonogo.stages.freshness import data_digest


def main(argv: list[str] | None = None) -> int:
    """Exit code of `inspect`: 0 GO (with or without caution), 1 NO-GO, 2 it could not be judged."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
    except Exception:  # an error of ours is no verdict: its exit code must not be that of a NO-GO
        traceback.print_exc()
    return int(arguments.on_error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gonogo", description=__doc__, epilog=f"The workflow itself: {rerun_command()}"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    approve = commands.add_parser("approve", help="sign off a sample after looking at its contact sheet")
    approve.set_defaults(run=_approve_command, on_error=1)
    approve.add_argument("experiment")
    approve.add_argument("--by", required=True, metavar="NAME", help="who looked")
    approve.add_argument("--note", default="", help="what was seen")
    approve.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        metavar="FOLDER",
        help="results_dir (default: results)",
    )
    inspect = commands.add_parser(
        "inspect",
        help="the quality gate on a folder of data, without a workflow",
        description="Look at every file of a folder once and say whether it is worth training on.",
        epilog="Exit code: 0 GO (with or without caution), 1 NO-GO, 2 it could not be judged.",
    )
    inspect.set_defaults(run=_inspect_command, on_error=2)
    inspect.add_argument("folder", type=Path, help="of the data; folders train/, val/, test/ in it are its splits")
    inspect.add_argument("--kind", required=True, choices=list(KINDS), help="what the data is")
    inspect.add_argument("--json", type=Path, metavar="FILE", help="verdict, and path, status and checks of every file")
    inspect.add_argument("--table", type=Path, metavar="FILE", help="CSV of every statistic of every file")
    inspect.add_argument("--distributions", type=Path, metavar="FILE", help="SVG of statistics against thresholds")
    inspect.add_argument("--sheet", type=Path, metavar="FILE", help="PNG of the worst items, the reason under each")
    inspect.add_argument("--gate", type=Path, metavar="FILE", help="YAML with thresholds, keys as in gates.quality")
    inspect.add_argument(
        "--sample", action="store_true", help="this is a sample of a larger set, and the verdict is about that"
    )
    compare = commands.add_parser("compare", help="the keys in which two experiments differ, old against new")
    compare.set_defaults(run=_compare_command, on_error=1)
    compare.add_argument("old", help="of config/experiments/")
    compare.add_argument("new")
    plan = commands.add_parser("schedule", help="forecast runs one after another, none before its data is there")
    plan.set_defaults(run=_schedule_command, on_error=1)
    plan.add_argument("experiments", nargs="+", help="with those that they start from")
    plan.add_argument("--mode", default="validate")
    plan.add_argument("--start", type=dt.datetime.fromisoformat, default=dt.datetime.now(), metavar="DATE")
    plan.add_argument("--hours", type=float, help="of a run without a forecast of its own")
    following = commands.add_parser("next", help="what can be run now, what is blocked, and what to do about it")
    following.set_defaults(run=_next_command, on_error=1)
    following.add_argument("experiments", nargs="*", help="of config/experiments/; all of them where none is named")
    following.add_argument("--mode", default="validate")
    sites = commands.add_parser("steps", help="what is done on each machine of config/targets/, and what is left out")
    sites.set_defaults(run=_steps_command, on_error=1)
    sites.add_argument("targets", nargs="*", help="of config/targets/; all of them where none is named")
    _add_looks(commands)
    plan_command.add_to(commands)
    add_to(commands)
    return parser


def _add_looks(commands: Any) -> None:
    """Commands that look at runs and at this machine."""
    review = commands.add_parser(
        "review",
        help="flags in a run's log, its success criteria, and its files",
        epilog="Exit code: 0 no red flag and no failed criterion, 1 there is one.",
    )
    review.set_defaults(run=_review_command, on_error=2)
    review.add_argument("folder", type=Path, help="of a run, such as archive/EXPERIMENT/RUN; it may be under way")
    runs = commands.add_parser("runs", help="what every stage took, run by run, from the ledger")
    runs.set_defaults(run=_runs_command, on_error=1)
    runs.add_argument("--note", default="", metavar="WORDS", help="only runs whose note holds these words")
    runs.add_argument("--experiment", help="only of this one")
    runs.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="results_dir")
    health = commands.add_parser(
        "health",
        help="try this machine's GPU and its processor, in processes of their own",
        epilog="Exit code: 0 something can train, 1 nothing can.",
    )
    health.set_defaults(run=_health_command, on_error=2)
    health.add_argument("--device", choices=["cuda", "cpu"], help="only this one; cpu: no GPU is touched")
    health.add_argument("--experiment", default="", help="whose documents and rehearsal count for readiness, too")
    health.add_argument("--gib", type=float, default=0.1, metavar="GIB", help="memory that is filled and read back")
    health.add_argument("--rung-seconds", type=float, default=60.0, metavar="S", help="time for each rung")


def _steps_command(arguments: argparse.Namespace) -> int:
    from gonogo.cli.target_steps import known_targets, steps, told

    for target in arguments.targets or known_targets(Path()):
        print(told(target, steps(Path(), target)))
    return 0


def _review_command(arguments: argparse.Namespace) -> int:
    from gonogo.cli.review import to_text

    text, sound = to_text(arguments.folder)
    print(text)
    return 0 if sound else 1


def _runs_command(arguments: argparse.Namespace) -> int:
    from gonogo.runtime import ledger

    path = arguments.results / "ledger.sqlite"
    if not path.exists():
        raise UserError(f"{path} is not there: nothing has run in this results_dir")
    for row in ledger.rows(path, experiment=arguments.experiment, note=arguments.note, running=True):
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.started_at))
        what = f"{row.experiment} {row.mode} {row.stage}".replace("  ", " ")
        print(f"{began}  {what:40s} {row.outcome:11s} {row.wall_s:8.1f} s  {dollars(row.usd):>8s}  {row.note}".rstrip())
    return 0


def _health_command(arguments: argparse.Namespace) -> int:
    from gonogo.config.load import load_experiment
    from gonogo.health.device_ladder import climb, verdict
    from gonogo.health.readiness import readiness
    from gonogo.report.render import to_text

    tried, colour = {}, sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for device in [arguments.device] if arguments.device else ["cuda", "cpu"]:
        tried[device] = climb(device, int(arguments.gib * (1 << 30)), arguments.rung_seconds)
        print(to_text(verdict(tried[device], device), colour, shutil.get_terminal_size().columns))
    own = load_experiment(Path("config/experiments"), arguments.experiment) if arguments.experiment else None
    results = Path("results") / arguments.experiment if arguments.experiment else None
    for part in readiness(tried.get("cuda"), tried.get("cpu"), own, results):
        print(f"{part.status.light} {part.name}: {part.because}")
    return 0 if any(found.healthy for found in tried.values()) else 1


def _approve_command(arguments: argparse.Namespace) -> int:
    print(_approve(arguments.results / arguments.experiment, arguments.experiment, arguments.by, arguments.note))
    return 0


def _compare_command(arguments: argparse.Namespace) -> int:
    from gonogo.cli.config_diff import table

    print(table(Path.cwd(), arguments.old, arguments.new))
    return 0


def _schedule_command(arguments: argparse.Namespace) -> int:
    from gonogo.cli.next_actions import jobs
    from gonogo.forecast.schedule import schedule, table

    print(table(schedule(jobs(Path.cwd(), arguments.experiments, arguments.mode, arguments.hours), arguments.start)))
    return 0


def _next_command(arguments: argparse.Namespace) -> int:
    from gonogo.cli.next_actions import actions, known_experiments, told

    root = Path.cwd()
    print(told(actions(root, arguments.experiments or known_experiments(root), arguments.mode)))
    return 0


def _inspect_command(arguments: argparse.Namespace) -> int:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: files are worked on side by side, not their parts
    from gonogo.quality.inspect import inspect, read_gate
    from gonogo.quality.outputs import Outputs
    from gonogo.report.render import to_text

    found = inspect(
        arguments.folder,
        arguments.kind,
        read_gate(arguments.gate) if arguments.gate else None,
        sampled=arguments.sample,
        json_file=arguments.json,
        outputs=Outputs(arguments.table, arguments.distributions, arguments.sheet),
        progress=_progress if sys.stderr.isatty() else None,
    )
    if sys.stderr.isatty():
        print("\r\x1b[2K", end="", file=sys.stderr)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(to_text(found.verdict, colour, shutil.get_terminal_size().columns))
    if found.worst:
        print("\nThe worst files:")
        print("\n".join(f"  {row['path']}: {row['reasons']}" for row in found.worst))
    return found.verdict.status.exit_code


def _progress(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        print(f"\r\x1b[2K{done} of {total} items", end="", file=sys.stderr, flush=True)


def _approve(folder: Path, experiment: str, by: str, note: str) -> str:
    """Record that `by` looked at this very sample; another sample needs another look."""
    sample = folder / "sample"
    if not sample.is_dir():
        raise UserError(f"{sample} is not there: run the workflow first, so that there is a sample to look at")
    if not by.strip():
        raise UserError("--by: an approval needs a name")
    approval = Approval(
        experiment=experiment, by=by, note=note, approved_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        inputs_digest=data_digest([sample]),
    )  # fmt: skip
    write_text(folder / "approval.json", approval.model_dump_json(indent=1) + "\n")
    return f"approved: {experiment}, by {by}. Run the workflow again; the launch gate will see it."


if __name__ == "__main__":
    sys.exit(main())
