"""What docs/security.md promises."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gonogo.base import text
from gonogo.base.errors import UserError
from gonogo.config.load import load_target
from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from gonogo.remote.agent_archive import NAME
from gonogo.remote.answers import Busy
from gonogo.remote.follow import follow
from gonogo.remote.machine import Machine, connect
from gonogo.remote.run_request import RunRequest
from gonogo.remote.transfer import download
from gonogo.stages.local_log import LocalLog, safe_line
from gonogo.stages.run_terms import secrets
from gonogo.training.spec import TrainingResult
from tests.remote.workspace import end_all, run
from tests.waiting import wait_for

PLANTED = "planted-" + "7f3a" * 6
NASTY = ["a; touch pwned", "$(touch pwned)", "`touch pwned`", "a' b", "--help", "a\nb"]


def words_of_all_processes() -> str:
    """Every command line on this machine, as any user can read it."""
    found = []
    for process in psutil.process_iter():
        try:
            found += process.cmdline()
        except psutil.Error:
            continue
    return "\0".join(found)


def test_a_secret_reaches_the_training_process_and_nothing_else(
    machine: Machine, root_there: Path, instance: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", PLANTED)
    target = Target(secret_environment=["WANDB_API_KEY"])
    assert PLANTED not in target.model_dump_json()

    script = "import os, time; print('key of', len(os.environ['WANDB_API_KEY'])); time.sleep(2)"
    machine.launch("ws/runs/r", key="k", workspace="ws", arguments=["-c", script], environment=secrets(target))
    log = root_there / "ws/runs/r/log.txt"
    wait_for(lambda: f"key of {len(PLANTED)}" in log.read_text())

    assert PLANTED not in words_of_all_processes()
    wait_for((root_there / "ws/runs/r/exit.json").exists)
    machine.run_agent("collected", "ws/runs/r")
    download(machine, "ws/runs/r", tmp_path / "archive", lambda done, total: None)
    for folder in (root_there, tmp_path, instance):
        holding = [str(path) for path in folder.rglob("*") if path.is_file() and PLANTED.encode() in path.read_bytes()]
        assert holding == []
    assert PLANTED not in repr(RunRequest(key="k", argv=["true"], environment=secrets(target)))


def test_a_secret_that_is_not_set_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(UserError, match="WANDB_API_KEY is not set in this shell"):
        secrets(Target(secret_environment=["WANDB_API_KEY"]))


@pytest.mark.parametrize("name", NASTY)
def test_names_are_never_read_by_a_shell(machine: Machine, root_there: Path, instance: Path, name: str) -> None:
    run_dir = f"./{name}/runs/{name}"
    answer = machine.launch(run_dir, key=name, workspace=f"./{name}", arguments=["-c", "print('ran')"])
    assert answer.state == "started"
    wait_for((root_there / name / "runs" / name / "exit.json").exists)
    assert machine.run_agent("status", run_dir)["exit"]["cause"] == "finished"
    assert not list(instance.rglob("pwned"))


def test_the_login_gets_no_agent_of_ours(ssh: Ssh, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent-of-ours")
    with connect(ssh, target) as machine:
        assert "SSH_AUTH_SOCK" not in run(machine, ["env"]).stdout


def test_the_embedded_server_listens_on_loopback_alone(instance: Path) -> None:
    found = embedded_server.Instance.model_validate_json((instance / "instance.json").read_text())
    listening = [c.laddr.ip for c in psutil.Process(found.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert listening == ["127.0.0.1"]
    assert (instance / "client_key").stat().st_mode & 0o077 == 0


def test_an_order_of_any_size_is_not_read(machine: Machine) -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match="no request on stdin"):
        machine.run_agent("launch", "ws/runs/r", stdin='{"key": "' + "x" * (3 << 20))
    assert time.monotonic() - began < 60


def test_an_answer_without_end_is_given_up(machine: Machine, ssh: Ssh, target: Target, root_there: Path) -> None:
    (root_there / NAME).write_text("while True: print('x' * 65536, end='')")
    with pytest.raises(UserError, match=r"more than 2\.1 MB"):
        machine.run_agent("status", "ws/runs/r")
    with pytest.raises(UserError, match="a line of the log is longer than 1 MiB"):
        follow(ssh, target, "ws/runs/r", print, print, patience_s=0)
    (root_there / NAME).write_text("while True: print('\\n' * 65536, end='')")
    with pytest.raises(UserError, match="prints what is no message of the agent"):
        follow(ssh, target, "ws/runs/r", print, print, patience_s=0)
    (root_there / NAME).write_text("")
    with pytest.raises(UserError, match="has not said how the run did"):
        follow(ssh, target, "ws/runs/r", print, print, patience_s=0)


def test_every_checkpoint_is_read_without_running_what_it_says(root: Path) -> None:
    calls, unsafe = 0, []
    for path in [*(root / "gonogo").rglob("*.py"), *(root / "experiments").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                if (owner, node.func.attr) == ("torch", "load") or node.func.attr == "load_from_checkpoint":
                    calls += 1
                    safe = any(
                        k.arg == "weights_only" and getattr(k.value, "value", None) is True for k in node.keywords
                    )
                    unsafe += [] if safe else [str(path.relative_to(root))]
    own = ["gonogo/training/later_parts.py"]  # what the same process has just written, to name what does not come back
    assert calls and unsafe == own


@pytest.fixture(autouse=True)
def no_survivors(instance: Path) -> Iterator[None]:
    yield
    end_all(instance / "home")


def test_a_secret_that_the_machine_says_is_shown_and_stored_nowhere(
    ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "_secrets", {})
    monkeypatch.setenv("WANDB_API_KEY", PLANTED)
    (tmp_path / "config/targets").mkdir(parents=True)
    (tmp_path / "config/targets/box.yaml").write_text("secret_environment: [WANDB_API_KEY]\n")
    load_target(tmp_path / "config", "box")
    says, python = {"busy": f"x {PLANTED} y", "run": f"a{PLANTED}"}, tmp_path / "python"
    answer = json.dumps({"runs": [says["run"]], "unfetched": [], "under_way": says["busy"]})
    words = f"cat > /dev/null\ncase \"$*\" in *busy*) echo '{answer}'; exit 0;; esac\necho 'no {PLANTED}' >&2; exit 3"
    python.write_text(f"#!/bin/sh\n{words}\n")
    python.chmod(0o755)
    with connect(ssh, Target(root=str(tmp_path), python=str(python))) as there:
        busy = there.ask(Busy, "busy", ".")
        with pytest.raises(UserError, match=r"no \[WANDB_API_KEY\]"):
            there.ask(Busy, "turn", ".")
    assert (busy.under_way, busy.runs) == ("x [WANDB_API_KEY] y", ["a[WANDB_API_KEY]"])
    log = LocalLog(tmp_path / "log.txt", print)
    log.line(safe_line(f"key {PLANTED}"))
    log.close()
    assert (tmp_path / "log.txt").read_text() == "key [WANDB_API_KEY]\n"
    facts = {"steps": 1, "epochs": 1, "parameters": 1, "train_loss": [], "val_steps": [], "val_loss": [], "step_s": []}
    rest = {"wall_s": 1.0, "peak_memory_bytes": 1, "device": PLANTED, "finite": True}
    assert TrainingResult.parsed(json.dumps({**facts, **rest}).encode()).device == "[WANDB_API_KEY]"
