"""What is said at the end of an invocation: where the time went."""

from __future__ import annotations

import shutil
import sys
import time

import psutil

from gonogo.base.files import write_json
from gonogo.config.load import Settings
from gonogo.experiment.starting_checkpoint import waiting
from gonogo.report.timing import StageTiming, timing_table
from gonogo.runtime import ledger
from gonogo.runtime.session import owner_pid, session_name

WIDEST = 100  # columns


def conclude(settings: Settings) -> None:
    """Print stage by stage what this invocation took, and write it to `timing.json`. The overhead is what was
    neither generating, training, tracing nor transferring; work that ran side by side counts once."""
    for line in waiting(settings):
        print(line, file=sys.stderr)
    results = settings.config.results_dir
    rows = ledger.rows(results / "ledger.sqlite", session=session_name())
    if not rows:
        return
    wall_s = time.time() - psutil.Process(owner_pid()).create_time()
    work = [(r.work_started_at, r.work_ended_at) for r in rows if r.work_started_at and r.work_ended_at]
    work_s = ledger.union_s(work)
    stages = [StageTiming(experiment=r.experiment, stage=r.stage, wall_s=r.wall_s, work_s=r.work_s) for r in rows]
    write_json(
        results / "timing.json",
        {
            "wall_s": round(wall_s, 2), "work_s": round(work_s, 2), "overhead_s": round(wall_s - work_s, 2),
            "stages": [stage.model_dump() for stage in stages],
        },
    )  # fmt: skip
    colour = sys.stderr.isatty()
    print(timing_table(stages, wall_s, work_s, colour=colour, width=_width()), file=sys.stderr)


def _width() -> int:
    return min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
