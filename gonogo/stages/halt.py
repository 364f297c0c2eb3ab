"""halt: a NO-GO in plain words, and the negative-result document."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

from gonogo.base.commands import rerun_command
from gonogo.base.files import write_text
from gonogo.gates import standing
from gonogo.report.evidence import evidence
from gonogo.report.negative_result import NegativeFacts, StageCost, negative_result
from gonogo.report.render import to_text
from gonogo.report.way_back import way_back
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.runtime.session import session_name
from gonogo.stages.kept_files import evidence_paths, stored_folders
from gonogo.stages.page import write_page
from gonogo.stages.tell import stopped
from gonogo.verdict import Verdict

WIDEST = 110  # columns


def halt(run: Run, inputs: Any, outputs: Any) -> NoReturn:
    """Print the verdict, write `negative_result.md` beside it and the experiment's page, and exit with code 1."""
    verdict_file = Path(inputs.verdict)
    verdict, folder = Verdict.read(verdict_file), verdict_file.parent
    document = folder / "negative_result.md"
    gate = f"{verdict.gate}/{verdict.scope}" if verdict.scope else verdict.gate
    config, paths = run.config, run.paths
    every = ledger.rows(run.ledger_path)
    rows = [row for row in every if row.experiment == run.experiment]
    facts = NegativeFacts(
        hypothesis=run.experiment_config.hypothesis,
        expected_statement=run.experiment_config.expected.statement,
        stages=[StageCost(stage=row.stage, wall_s=row.wall_s, usd=row.usd) for row in rows],
        passed=standing.verdicts(paths.experiment, paths.mode, before=gate),
        evidence=evidence(evidence_paths(run, verdict_file, verdict), Path.cwd()),
        storage=stored_folders(run, rows),
        way_back=way_back(every, session_name()),
        rerun=rerun_command(experiments=run.experiment, mode=config.mode, target=config.target),
    )
    write_text(document, negative_result(verdict, facts))
    stopped(run, verdict, folder)
    page = write_page(run.settings, run.experiment)
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    print(to_text(verdict, colour=run.colour, width=width), file=sys.stderr)
    print(f"  the page: {page}\n  the full report: {document}", file=sys.stderr, flush=True)
    sys.exit(1)
