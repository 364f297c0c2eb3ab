"""The page of an experiment, written wherever its chain stands: after a NO-GO, an error, an interruption, the end."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import re
import shlex
import subprocess
from pathlib import Path

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.base.files import read_json, write_text
from gonogo.base.mappings import flat
from gonogo.config.load import Settings
from gonogo.report.page.html import chain_page
from gonogo.report.page.state import ChainState, chain_state

PAGE = "report.html"
MOST_SETTINGS = 80  # more are not listed
WITH_QUERY = re.compile(r"(https?://[^\s?]+)\?\S+")  # a query may hold a key
GIT_S = 5  # seconds that git may take


def write_page(settings: Settings, experiment: str) -> Path:
    """Write `RESULTS/EXPERIMENT/report.html`; returns its path."""
    state = chain_state(settings.config.results_dir, experiment, settings.config.mode)
    page = state.folder / PAGE
    write_text(page, page_of(settings, state))
    return page


def page_of(settings: Settings, state: ChainState) -> str:
    """The page, with what the settings say of where its results are from."""
    rerun = rerun_command(experiments=state.experiment, mode=settings.config.mode, target=settings.config.target)
    return chain_page(state, command_now(state, rerun), _provenance(settings, state.experiment))


def command_now(state: ChainState, rerun: str) -> str:
    """What to run next: the same again, or what shows a finished or a running run."""
    if state.running:
        return shlex.join(["gonogo", "watch", state.experiment])
    if not state.finished:
        return rerun
    archive = state.folder / state.mode / "download" / "archive.json"
    with contextlib.suppress(OSError, UserError, KeyError):
        return shlex.join(["gonogo", "review", str(read_json(archive)["folder"])])
    return rerun


def _provenance(settings: Settings, experiment: str) -> dict[str, str]:
    """Versions, the commit, and every setting of the experiment that is not a default."""
    config = settings.config
    found = {
        "gonogo": importlib.metadata.version("gonogo"),
        "Python": platform.python_version(),
        "Commit": commit_of(settings.root),
        "Mode, target": f"{config.mode}, {config.target}",
        "Results": str(config.results_dir),
    }
    if config.note:
        found["Note"] = config.note
    if experiment in settings.experiments:
        written = settings.experiments[experiment].model_dump(mode="json", by_alias=True, exclude_defaults=True)
        changed = [(WITH_QUERY.sub(r"\1?…", key), value) for key, value in flat(written).items()]
        found |= {f"Setting {key}": str(value) for key, value in changed[:MOST_SETTINGS]}
        if len(changed) > MOST_SETTINGS:
            found["Settings"] = f"{len(changed) - MOST_SETTINGS} more that are not defaults"
    return found


def commit_of(root: Path) -> str:
    """Of the repository, and whether it holds changes that are not committed."""
    words = [
        "git",
        "-C",
        str(root),
        "describe",
        "--always",
        "--dirty= with changes that are not committed",
        "--abbrev=12",
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=GIT_S)
    except (OSError, subprocess.TimeoutExpired):
        return "not known"
    return done.stdout.strip() or "none: not in a Git repository"
