"""What a NO-GO leaves behind: plain words in the terminal, and the negative-result document."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gonogo.base.files import write_text
from gonogo.report.evidence import evidence
from gonogo.report.negative_result import NegativeFacts, StageCost, negative_result
from gonogo.report.render import to_html, to_text
from gonogo.runtime.context import Run
from gonogo.stages.standing import costs, earlier_verdicts, rerun_command
from gonogo.verdict import Verdict

WIDEST = 110  # columns


def halt(run: Run, verdict_file: Path) -> None:
    """Print the verdict, and write `negative_result.md` and `verdict.html` beside it."""
    verdict = Verdict.read(verdict_file)
    folder = verdict_file.parent
    document = folder / "negative_result.md"
    gate = f"{verdict.gate}/{verdict.scope}" if verdict.scope else verdict.gate
    shown = dict.fromkeys(path for check in verdict.checks for path in check.evidence)
    facts = NegativeFacts(
        hypothesis=run.experiment_config.hypothesis,
        expected_statement=run.experiment_config.expected.statement,
        stages=[StageCost(stage=row.stage, wall_s=row.wall_s, usd=row.usd) for row in costs(run)],
        passed=earlier_verdicts(run, before=gate),
        evidence=evidence([verdict_file, *map(Path, shown), *_data(run)], Path.cwd()),
        rerun=rerun_command(run),
    )
    write_text(document, negative_result(verdict, facts))
    write_text(folder / "verdict.html", to_html(verdict))
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    print(to_text(verdict, colour=run.colour, width=width), file=sys.stderr)
    print(f"  the whole story: {document}", file=sys.stderr, flush=True)


def _data(run: Run) -> list[Path]:
    return [path for path in (run.results / "sample", *run.shards, run.results / "smoke_train") if path.exists()]
