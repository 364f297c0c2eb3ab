"""The end of an invocation: the machine is released whatever else goes wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.base.files import write_json
from gonogo.config.load import Settings
from gonogo.runtime import ledger
from gonogo.runtime.context import Run
from gonogo.runtime.ledger import Row
from gonogo.stages import conclude as stage_module
from gonogo.stages import release
from gonogo.stages.conclude import AtTheEnd, conclude
from gonogo.stages.held_machines import Alarm, held_file
from tests.waiting import LIMIT_S


@pytest.fixture
def held(stage_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An invocation during which a machine was held."""
    settings = stage_run("halt").settings
    write_json(held_file(settings), {"host": "box", "since": 0, "runs": []})
    monkeypatch.setattr(stage_module, "session_name", lambda: "s1")
    return settings


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(release, "release_machine", lambda settings, say: calls.append("released"))
    return calls


def add(settings: Settings, stage: str, outcome: str = "done") -> None:
    ledger.add(settings.config.results_dir / "ledger.sqlite", Row("s1", "mine", "", stage, 0.0, 5.0, outcome=outcome))


def test_it_is_released_and_then_the_time_is_told(
    held: Settings, released: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add(held, "sample")
    conclude(held)
    assert released == ["released"] and "sample" in capsys.readouterr().err
    assert (held.config.results_dir / "timing.json").exists()


def test_what_a_machine_says_at_the_end_cannot_draw(
    held: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(settings: Settings, say: Callable[[str], None]) -> None:
        say("said \x1b]52;c;cm0gLXJm\x07\u202e")
        raise UserError("refused \x1b[2J\rforged")

    monkeypatch.setattr(release, "release_machine", refused)
    conclude(held)
    said = capsys.readouterr().err
    assert "said" in said and "refused" in said and said.replace("\n", "").isprintable()


def test_a_broken_ledger_a_full_disk_and_a_closed_terminal_do_not_keep_it(
    held: Settings, released: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = held.config.results_dir / "ledger.sqlite"
    file.write_text("this is no database, but 30 pages of prose")
    conclude(held)
    assert released == ["released"] and "ledger.sqlite cannot be read: " in capsys.readouterr().err
    file.unlink()
    add(held, "sample")

    def full(*anything: object) -> None:
        raise OSError(28, "No space left on device")

    class Closed:
        def write(self, text: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(stage_module, "write_json", full)
    conclude(held)
    assert released == ["released"] * 2 and "No space left" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stderr", Closed())
    conclude(held)
    assert released == ["released"] * 3


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UserError("results are not fetched"), "error: release: results are not fetched"),
        (KeyError("droplets"), "ALARM: THE MACHINE OF TARGET local MAY NOT BE RELEASED: KeyError: 'droplets'"),
    ],
)
def test_what_keeps_it_is_told(
    held: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    def fails(settings: Settings, say: object) -> None:
        raise error

    monkeypatch.setattr(release, "release_machine", fails)
    conclude(held)
    assert told in capsys.readouterr().err


def test_after_an_interruption_it_is_kept(
    held: Settings, released: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add(held, "cloud_train", "interrupted")
    conclude(held)
    assert released == [] and "interrupted: the machine is held, and bills on" in capsys.readouterr().err


def test_a_release_that_was_a_job_of_its_own_is_not_repeated(held: Settings, released: list[str]) -> None:
    add(held, "release", "failed")
    conclude(held)
    assert released == []


def test_after_a_part_of_the_workflow_the_machine_that_it_made_ready_is_kept(
    held: Settings, released: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    add(held, "setup")
    assert conclude(held, partial=True)
    assert released == [] and "is held, and bills on (box:" in capsys.readouterr().err
    add(held, "report")
    assert conclude(held, partial=True), "it came to the end"
    assert released == ["released"]


def test_snakemake_fails_where_a_machine_is_not_gone(
    held: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def alarm(settings: Settings, say: object) -> None:
        raise Alarm("ALARM: IT IS STILL THERE")

    monkeypatch.setattr(release, "release_machine", alarm)
    with pytest.raises(SystemExit) as ended:
        AtTheEnd(held, lambda: False)()
    assert ended.value.code == 1 and "ALARM: IT IS STILL THERE" in capsys.readouterr().err
    monkeypatch.setattr(release, "release_machine", lambda settings, say: None)
    AtTheEnd(held, lambda: False)()


def test_where_snakemake_calls_no_hook_it_is_released_as_the_process_ends(held: Settings, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from gonogo.stages import release; from gonogo.stages.conclude import AtTheEnd\n"
        "release.release_machine = lambda settings, say: print('released')\n"
        "settings = N(config=N(results_dir=Path(sys.argv[1]), target='local'), experiments={})\n"
        "end = AtTheEnd(settings, lambda: False); end.watch()\n"
        "raise RuntimeError('a fault of its own')\n"
    )
    words = [sys.executable, "-c", program, str(held.config.results_dir.resolve())]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.stdout == "released\n"
    assert done.returncode == 1 and "a fault of its own" in done.stderr


def test_without_a_machine_nothing_is_asked(held: Settings, released: list[str]) -> None:
    elsewhere = dataclasses.replace(held, config=held.config.model_copy(update={"results_dir": Path("another")}))
    conclude(elsewhere)
    assert released == []
