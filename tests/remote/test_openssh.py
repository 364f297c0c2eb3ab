"""The same client against OpenSSH's own server, as on a rented machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.target import Ssh, Target
from gonogo.remote.follow import follow
from gonogo.remote.machine import connect
from gonogo.remote.setup import set_up
from gonogo.remote.transfer import download, upload
from tests.remote.sshd import NEEDED, sshd

pytestmark = NEEDED


@pytest.fixture
def openssh(tmp_path: Path) -> Iterator[Ssh]:
    """A running sshd of the test's own, with its key in known_hosts."""
    with sshd(tmp_path) as ssh:
        yield ssh


def test_upload_run_follow_download(openssh: Ssh, tmp_path: Path) -> None:
    target = Target(root=str(tmp_path / "there"), python=sys.executable)
    data = tmp_path / "data"
    data.mkdir()
    (data / "numbers.txt").write_text("1\n2\n3\n")
    with connect(openssh, target) as machine:
        (tmp_path / "none.txt").write_text("")
        ready = set_up(machine, target, Accelerator(title="any", visible_bytes=None, source="-"), tmp_path / "none.txt")
        assert ready.changed and str(tmp_path / "there") in ready.interpreter
        sent = upload(machine, {"data": data}, "work", lambda done, total: None)
        assert (sent.files_sent, sent.files_total) == (1, 1)
        script = (
            "import pathlib; n = pathlib.Path('data/numbers.txt').read_text(); print('sum', sum(map(int, n.split())))"
        )
        started = machine.launch(
            "work/runs/one", key="k", workspace="work", cwd="work", arguments=["-c", script], environment={},
            max_s=60, lease_s=60, usd_per_hour=0.0,
        )  # fmt: skip
        assert started.state == "started"
    lines: list[str] = []
    ended = follow(openssh, target, "work/runs/one", lines.append, lambda beat: None)
    assert ended.cause == "finished" and any(line.endswith("sum 6") for line in lines)
    with connect(openssh, target) as machine:
        got = download(machine, "work/runs/one", tmp_path / "archive", lambda done, total: None)
    assert got.files_total >= 2 and (tmp_path / "archive/log.txt").read_text().strip().endswith("sum 6")


def test_another_host_key_is_refused(openssh: Ssh, tmp_path: Path) -> None:
    kind, key = (tmp_path / "client_key.pub").read_text().split()[:2]
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{openssh.port} {kind} {key}\n")
    with pytest.raises(UserError, match="HOST KEY HAS CHANGED"), connect(openssh, Target(root=str(tmp_path))):
        pass
