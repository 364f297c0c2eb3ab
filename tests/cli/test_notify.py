"""`gonogo notify`: who is told, and whether they can be reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gonogo.cli.main import main
from gonogo.notify import deliver
from tests.notify.receiver import Receiver, receiver

__all__ = ["receiver"]


def site(folder: Path, monkeypatch: pytest.MonkeyPatch, *entries: object) -> None:
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text(yaml.safe_dump({"notify": list(entries)}))
    monkeypatch.chdir(folder)


def test_each_is_tried_and_one_that_fails_is_the_exit_code(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deliver, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setenv("HOOK_TOKEN", "s3cret-token")
    site(tmp_path, monkeypatch, f"{receiver.url}/${{HOOK_TOKEN}}", ["true"], "exit 4")
    assert main(["notify"]) == 0 and capsys.readouterr().out == "127.0.0.1\ntrue\nexit\n"
    assert main(["notify", "--test"]) == 1
    said = capsys.readouterr().out
    assert said == "taken      127.0.0.1\ntaken      true\nNOT TAKEN  exit ended with exit code 4 (3 tries)\n"
    assert json.loads(receiver.told[0].body)["event"] == "test" and receiver.told[0].path == "/s3cret-token"
    (tmp_path / "config/config.yaml").write_text(yaml.safe_dump({"notify": f"{receiver.url}/x"}))
    assert main(["notify", "--test"]) == 0


def test_nobody_to_tell_and_a_secret_that_everybody_reads_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site(tmp_path, monkeypatch)
    assert main(["notify", "--test"]) == 1 and "names nobody" in capsys.readouterr().err
    (tmp_path / "config/config.yaml").write_text(
        yaml.safe_dump({"notify": ["true", "https://hooks.slack.com/services/T0/B0/s3cret"]})
    )
    assert main(["notify", "--test"]) == 1
    said = capsys.readouterr().err
    assert "notify: entry 2 (hooks.slack.com) holds its token" in said and "${NAME}" in said and "s3cret" not in said
