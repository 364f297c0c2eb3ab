"""Which steps a machine gets, and which are left out there, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.cli.main import main
from gonogo.cli.target_steps import known_targets, steps


def kept(root: Path, target: str) -> dict[str, bool]:
    return {step.name: step.kept for step in steps(root, target)}


def test_every_site_has_all_steps_kept_or_skipped_with_a_reason(root: Path) -> None:
    sites = {target: steps(root, target) for target in known_targets(root)}
    assert {"local", "h200", "mi300x"} <= sites.keys()
    names = {target: [step.name for step in found] for target, found in sites.items()}
    assert len({tuple(found) for found in names.values()}) == 1
    assert all(step.why for found in sites.values() for step in found)


def test_sites_differ_where_they_should(root: Path) -> None:
    local, rented = kept(root, "local"), kept(root, "mi300x")
    only_rented = {"host key", "environment", "release", "unset", "device name"}
    assert {name for name in rented if rented[name] and not local[name]} == only_rented
    assert any("HSA_OVERRIDE_GFX_VERSION" in step.why for step in steps(root, "mi300x"))


def test_the_command_lists_them(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert main(["steps", "local", "h200"]) == 0
    said = capsys.readouterr().out
    assert "local:\n" in said and "h200:\n" in said and "  skip  release" in said and "  keep  release" in said
    assert main(["steps", "mars"]) == 1 and "mars" in capsys.readouterr().err
