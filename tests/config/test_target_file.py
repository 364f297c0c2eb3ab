"""Values of a target's file, replaced where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.target_file import write_values
from tests.conftest import ROOT

VALUES = {"connection": {"host": "2001:db8::7"}, "usd_per_hour": 0.8048}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "connection:\n  kind: ssh  # a\n  host: 203.0.113.8   # b\nusd_per_hour: 9 # c\n",
            "connection:\n  kind: ssh  # a\n  host: 2001:db8::7   # b\nusd_per_hour: 0.8048 # c\n",
        ),
        (
            "# top\nconnection: {kind: ssh, host: 'x.example.org'}  # a\n",
            "# top\nusd_per_hour: 0.8048\nconnection: {kind: ssh, host: '2001:db8::7'}  # a\n",
        ),
        ("connection:\n  kind: ssh\n", "usd_per_hour: 0.8048\nconnection:\n  host: 2001:db8::7\n  kind: ssh\n"),
    ],
)
def test_comments_and_order_stay(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(before)
    write_values(file, VALUES)
    assert file.read_text().replace("'", "") == after.replace("'", "")
    assert yaml.safe_load(file.read_text())["connection"]["host"] == "2001:db8::7"


def test_of_a_file_that_ships_only_those_lines_change(tmp_path: Path) -> None:
    shipped = (ROOT / "config/targets/mi300x.yaml").read_text()
    file = tmp_path / "mi300x.yaml"
    file.write_text(shipped)
    write_values(file, {"connection": {"host": "198.51.100.7"}, "usd_per_hour": 2.5})
    changed = [line for line in file.read_text().splitlines() if line not in shipped.splitlines()]
    assert [line.split("#")[0].strip() for line in changed] == ["host: 198.51.100.7", "usd_per_hour: 2.5"]


def test_one_that_only_a_person_can_change_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(text := "a: &host 203.0.113.8\nconnection: {kind: ssh, host: *host}\nusd_per_hour: 1\n")
    with pytest.raises(UserError, match=r"box.yaml: cannot be changed .* write into it: \{connection: \{host:"):
        write_values(file, VALUES)
    assert file.read_text() == text
