"""A transfer that is cut off, in every way, loses nothing that was verified, and the next one sends only the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gonogo.remote import connection
from gonogo.remote.errors import Unreachable
from gonogo.remote.machine import connect
from gonogo.remote.transfer import Transfer, download, persistently, streams, upload, verify, worker_pool
from tests.faults.servers import KINDS, Site, site
from tests.waiting import LIMIT_S, lines_of

BIG_BYTES, SMALL_FILES, SMALL_BYTES = 64 << 20, 80, 100_000
TOTAL = BIG_BYTES + SMALL_FILES * SMALL_BYTES
RESUMED = 0.6  # of all bytes, at most, after a cut at half of them: what was on its way is sent again


def quiet(done: int, total: int) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 small files and one of 64 MiB: 75 MB."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "big.bin").write_bytes(os.urandom(BIG_BYTES))
    for index in range(SMALL_FILES):
        (folder / f"item {index:03d}").mkdir()
        (folder / f"item {index:03d}" / "image.png").write_bytes(os.urandom(SMALL_BYTES))
    return folder


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """Transfers at 300 Mbit/s, so that a cut comes in the middle."""
    with site(request.param, tmp_path, mbit_per_s=300) as made:
        yield made


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def assert_nothing_half_written(folder: Path, wanted: dict[str, bytes]) -> None:
    for name, found in contents(folder).items() if folder.exists() else ():
        assert found == wanted[name], f"{name} has its name and is not whole"


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead link is noticed within seconds, not in half a minute."""
    monkeypatch.setattr(streams, "ALIVE_S", 1)
    monkeypatch.setattr(streams, "ALIVE_TRIES", 2)
    monkeypatch.setattr(connection, "KEEPALIVE_S", 1)
    monkeypatch.setattr(worker_pool, "SILENT_S", 3.0)


def by_reset(there: Site) -> None:
    there.line.cut_after = TOTAL // 2


def by_silence(there: Site) -> None:
    there.line.silent = True
    there.line.cut_after = TOTAL // 2


def by_killing_the_server(there: Site) -> None:
    there.line.silent = True
    there.line.cut_after = TOTAL // 2

    def kill() -> None:
        there.line.is_cut.wait(10)
        there.server.kill()
        there.line.close_links()

    threading.Thread(target=kill, daemon=True).start()


BLOWS = [by_reset, by_silence, by_killing_the_server]


def mend(there: Site, blow: Callable[[Site], None]) -> None:
    there.line.mend()
    there.line.silent = False
    if blow is by_killing_the_server:
        there.up()


def send(there: Site, data: Path) -> Transfer:
    with connect(there.ssh, there.target) as machine:
        return upload(machine, {"data": data}, "work", quiet)


def fetch(there: Site, into: Path) -> Transfer:
    with connect(there.ssh, there.target) as machine:
        return download(machine, "results", into, quiet)


@pytest.mark.parametrize("blow", BLOWS)
def test_upload_is_cut(there: Site, data: Path, blow: Callable[[Site], None], monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    blow(there)
    with pytest.raises(Unreachable, match=r"to continue|no SSH server"):
        send(there, data)
    assert_nothing_half_written(there.root / "work" / "data", contents(data))
    mend(there, blow)
    rest = send(there, data)
    assert contents(there.root / "work" / "data") == contents(data)
    assert there.line.up <= RESUMED * TOTAL, f"{there.line.up / TOTAL:.1%} of all was sent again"
    assert rest.bytes_sent <= RESUMED * TOTAL
    with connect(there.ssh, there.target) as machine:
        assert verify(machine, "work") == 1 + SMALL_FILES


@pytest.mark.parametrize("blow", BLOWS)
def test_download_is_cut(
    there: Site, data: Path, blow: Callable[[Site], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    there.root.mkdir()
    (there.root / "results").symlink_to(data)
    blow(there)
    final = tmp_path / "archive" / "one"
    with pytest.raises(Unreachable, match=r"to continue|no SSH server"):
        fetch(there, final)
    assert not final.exists()
    mend(there, blow)
    rest = fetch(there, final)
    assert contents(final) == contents(data)
    assert there.line.down <= RESUMED * TOTAL, f"{there.line.down / TOTAL:.1%} of all came again"
    assert rest.bytes_sent <= RESUMED * TOTAL
    assert [path.name for path in final.parent.iterdir()] == ["one"]


def test_cut_while_paramiko_carries_it(there: Site, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    impatient(monkeypatch)
    monkeypatch.setattr(worker_pool.shutil, "which", lambda name: None)
    by_silence(there)
    with pytest.raises(Unreachable, match="to continue"):
        send(there, data)
    mend(there, by_silence)
    rest = send(there, data)
    assert rest.path == "1 × paramiko"
    assert rest.bytes_sent <= RESUMED * TOTAL
    assert contents(there.root / "work" / "data") == contents(data)


CLIENT = """
import sys
from pathlib import Path
from gonogo.config.target import Ssh, Target
from gonogo.remote.machine import connect
from gonogo.remote.transfer import upload
ssh, target = Ssh.model_validate_json(sys.argv[1]), Target.model_validate_json(sys.argv[2])
with connect(ssh, target) as machine:
    upload(machine, {"data": Path(sys.argv[3])}, "work", lambda done, total: print(done, flush=True))
"""


def test_client_is_killed(there: Site, data: Path) -> None:
    words = [there.ssh.model_dump_json(), there.target.model_dump_json(), str(data)]
    client = subprocess.Popen([sys.executable, "-c", CLIENT, *words], stdout=subprocess.PIPE, text=True)
    for line in lines_of(client):
        if int(line) > TOTAL / 2:
            break
    client.send_signal(signal.SIGKILL)
    client.wait(timeout=LIMIT_S)
    assert_nothing_half_written(there.root / "work" / "data", contents(data))
    there.line.mend()
    rest = send(there, data)
    assert rest.bytes_sent <= RESUMED * TOTAL
    assert there.line.up <= RESUMED * TOTAL
    assert contents(there.root / "work" / "data") == contents(data)


def test_persistently_goes_on_by_itself(there: Site, data: Path) -> None:
    there.line.cut_after = TOTAL // 2
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        there.line.mend()

    sent = persistently(lambda: there.ssh, there.target, lambda machine: upload(machine, {"d": data}, "w", quiet), say)
    assert len(said) == 1 and "Trying again" in said[0]
    assert sent.bytes_sent <= RESUMED * TOTAL
    assert contents(there.root / "w" / "d") == contents(data)
