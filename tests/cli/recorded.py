"""Runs as invocations of the workflow leave them in the ledger: their gates' files, their rows, and their end."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.config.load import Settings, load
from gonogo.runtime import ledger
from gonogo.stages.conclude import conclude
from gonogo.verdict import Verdict
from tests.conftest import ROOT
from tests.report.page.chains import chain, row
from tests.stages.conftest import MINE

LEDGER = Path("results/ledger.sqlite")


class Site:
    """A folder with an experiment, in which invocations follow each other."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        shutil.copytree(ROOT / "config", folder / "config")
        monkeypatch.chdir(folder)

    def settings(self, experiment: str, **config: Any) -> Settings:
        values = {**MINE, "modes": {"fast": {"training": {"epochs": 2}}}, **config.pop("keys", {})}
        Path(f"config/experiments/{experiment}.yaml").write_text(yaml.safe_dump(values))
        return load({"experiments": experiment, "mode": "fast", **config}, Path.cwd())

    def invocation(
        self, session: str, stopped_at: str = "", experiment: str = "mine", usd: float = 0.0, outcome: str = "",
        digest: str = "", **config: Any,
    ) -> None:  # fmt: skip
        """One that ran to a NO-GO at a gate, to its end, or to a stage that ended with `outcome`."""
        settings = self.settings(experiment, **config)
        folder = chain(Path("results"), stopped_at, experiment)
        if digest:
            found = Verdict.read(folder / "verdict.json")
            found.model_copy(update={"inputs_digest": digest}).write(folder / "verdict.json")
        last = ("smoke_train", outcome) if outcome else ("halt", "failed") if stopped_at else ("report", "done")
        ledger.add(LEDGER, row(experiment, last[0], outcome=last[1]))
        with sqlite3.connect(LEDGER) as file:
            file.execute("UPDATE stages SET session = ?, note = ? WHERE session = 's'", [session, settings.config.note])
            file.execute("UPDATE stages SET usd = ? WHERE id = (SELECT max(id) FROM stages)", [usd])
        file.close()
        self._monkeypatch.setenv("GONOGO_SESSION", session)
        conclude(settings)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)
