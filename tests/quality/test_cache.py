"""What was measured once is not measured again, whatever happens in between, and a bad cache only costs time."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from gonogo.quality.cache import BATCH, open_cache
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import ITEMS
from gonogo.quality.pictures import statistics
from tests.conftest import ROOT
from tests.waiting import LIMIT_S, lines_of

from .picture_files import crops, write

VALUE = {"width": 7, "pixels": {"mean": 0.1 + 0.2, "p1": 3}, "near": "ab", "nothing": None}


def key(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the files that were decoded."""
    seen: list[int] = []
    decode = statistics.decode
    monkeypatch.setattr(statistics, "decode", lambda data: (seen.append(len(data)), decode(data))[1])
    return seen


def test_what_was_put_is_there_to_the_last_digit_and_after_closing(tmp_path: Path) -> None:
    with open_cache(tmp_path / "cache.db", "images") as cache:
        assert cache.get(key(1)) is None
        cache.put(key(1), VALUE)
        assert cache.get(key(1)) == VALUE
    with open_cache(tmp_path / "cache.db", "images") as cache:
        assert cache.get(key(1)) == VALUE
        assert cache.hits == 1


def test_kinds_and_versions_do_not_see_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_cache(tmp_path / "cache.db", "images") as cache:
        cache.put(key(1), VALUE)
    with open_cache(tmp_path / "cache.db", "volumes") as cache:
        assert cache.get(key(1)) is None
    monkeypatch.setattr("gonogo.quality.cache.code_digest", lambda files: "another version")
    with open_cache(tmp_path / "cache.db", "images") as cache:
        assert cache.get(key(1)) is None


def test_a_scan_that_was_killed_goes_on_where_it_was(
    tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that scans is killed without warning; its workers end, and the next decodes only what was not kept."""
    count = 6 * BATCH
    rng = np.random.default_rng(0)
    noise = {f"{n:04d}.png": rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for n in range(count)}
    data, path = write(tmp_path / "data", noise), tmp_path / "cache.db"
    scan = (
        "import sys; from pathlib import Path; from gonogo.quality.measure import measure_part\n"
        "from gonogo.quality.cache import open_cache\n"
        "with open_cache(sys.argv[2], 'images') as cache:\n"
        "    told = lambda done, n: print(done, flush=True)\n"
        "    measure_part('images', Path(sys.argv[1]), Path(sys.argv[3]), told, cache)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", scan, data, path, tmp_path / "killed"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    for line in lines_of(process):
        if int(line) >= 3 * BATCH:
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=LIMIT_S)
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    assert not (tmp_path / "killed").exists()
    monkeypatch.setattr("gonogo.quality.workers.MANY_FILES", dict.fromkeys(["fork", "forkserver"], count + 1))
    with open_cache(path, "images") as cache:
        measure_part("images", data, tmp_path / "again", cache=cache)
        assert cache.hits >= 2 * BATCH
    assert len(decoded) == count - cache.hits
    measure_part("images", data, tmp_path / "fresh")
    assert (tmp_path / "again" / ITEMS).read_text() == (tmp_path / "fresh" / ITEMS).read_text()


def test_a_second_scan_decodes_nothing_but_what_is_new(tmp_path: Path, decoded: list[int]) -> None:
    pictures = {f"{n}.png": picture for n, picture in enumerate(crops(6))}
    first = write(tmp_path / "first", pictures)
    with open_cache(tmp_path / "cache.db", "images") as cache:
        measure_part("images", first, tmp_path / "a", cache=cache)
    decoded.clear()
    second = write(tmp_path / "second", {f"moved/{name}": picture for name, picture in pictures.items()})
    write(second, {"new.png": crops(1, seed=9)[0]})
    with open_cache(tmp_path / "cache.db", "images") as cache:
        measure_part("images", second, tmp_path / "b", cache=cache)
    assert decoded == [(second / "new.png").stat().st_size]


@pytest.mark.parametrize("content", [b"this is no database, it only lies there", b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_cache_is_left_alone_with_a_warning(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cache.db").write_bytes(content)
    data = write(tmp_path / "data", {f"{n}.png": picture for n, picture in enumerate(crops(3))})
    with (
        pytest.warns(UserWarning, match=r"cache\.db: cannot be used"),
        open_cache(tmp_path / "cache.db", "images") as cache,
    ):
        measure_part("images", data, tmp_path / "out", cache=cache)
    measure_part("images", data, tmp_path / "fresh")
    assert (tmp_path / "out" / ITEMS).read_text() == (tmp_path / "fresh" / ITEMS).read_text()


def test_a_locked_cache_is_left_alone_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gonogo.quality.cache.BUSY_S", 0.1)
    with open_cache(tmp_path / "cache.db", "images") as cache:
        cache.get(key(0))
        holder = sqlite3.connect(tmp_path / "cache.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match="locked"):
            for number in range(BATCH):
                cache.put(key(number), VALUE)
        cache.put(key(1), VALUE)
        holder.close()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.warns(UserWarning, match="cannot be used"),
        open_cache(tmp_path / "file" / "cache.db", "images") as cache,
    ):
        cache.put(key(1), VALUE)
        assert cache.get(key(2)) is None


def test_threads_share_a_cache(tmp_path: Path) -> None:
    with open_cache(tmp_path / "cache.db", "images") as cache:

        def work(start: int) -> None:
            for number in range(start, start + 500):
                if cache.get(key(number)) is None:
                    cache.put(key(number), {"number": number})

        threads = [threading.Thread(target=work, args=(start,)) for start in (0, 250, 500, 750)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=LIMIT_S)
    with open_cache(tmp_path / "cache.db", "images") as cache:
        assert [cache.get(key(number)) for number in range(1250)] == [{"number": number} for number in range(1250)]


def test_processes_share_a_cache(tmp_path: Path) -> None:
    code = (
        "import sys, warnings, hashlib; warnings.simplefilter('error')\n"
        "from gonogo.quality.cache import open_cache\n"
        "with open_cache(sys.argv[1], 'images') as cache:\n"
        "    for n in range(int(sys.argv[2]), int(sys.argv[2]) + 2000):\n"
        "        cache.put(hashlib.sha256(str(n).encode()).hexdigest(), {'number': n})"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache.db")]
    running = [subprocess.Popen([*command, str(start)], cwd=ROOT) for start in (0, 2000)]
    assert [process.wait(timeout=LIMIT_S) for process in running] == [0, 0]
    with open_cache(tmp_path / "cache.db", "images") as cache:
        assert all(cache.get(key(number)) == {"number": number} for number in range(4000))


def test_writing_costs_little(tmp_path: Path) -> None:
    value = {f"figure_{n}": 0.123456789 * n for n in range(30)}
    keys = [key(number) for number in range(5000)]
    with open_cache(tmp_path / "cache.db", "images") as cache:
        start = time.process_time()
        for one in keys:
            cache.put(one, value)
    assert (time.process_time() - start) / len(keys) < 600e-6  # about 30e-6 where nothing else runs
