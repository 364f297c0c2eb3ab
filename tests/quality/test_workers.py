"""Items measured side by side: the same lines however it is done, and no process that stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from gonogo.quality import workers
from gonogo.quality.cache import open_cache
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import ITEMS
from tests.conftest import ROOT
from tests.waiting import LIMIT_S, line_with

from .picture_files import crops, write

SCAN = """
import os, sys
from pathlib import Path
from gonogo.quality import workers
from gonogo.quality.cache import open_cache
from gonogo.quality.measure import measure_part
workers.MANY_FILES = {"fork": 1, "forkserver": 1}
workers.MOST_WORKERS = 2
if sys.argv[3] == "forkserver":
    import threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()
workers.available_cores = lambda: 2
told = lambda done, of: print(done, flush=True)
assert workers.is_single_threaded() == (sys.argv[3] == "fork")
with open_cache(sys.argv[4], "images") as known:
    known.get("opened by this process")
    measure_part("images", Path(sys.argv[1]), Path(sys.argv[2]), told, known)
"""


def scan(data: Path, out: Path, start: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCAN, str(data), str(out), start, str(out.with_suffix(".sqlite"))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of several shapes, one of them damaged."""
    folder = write(tmp_path_factory.mktemp("data"), {f"{n:03d}.png": picture for n, picture in enumerate(crops(70))})
    write(folder, {f"flat/{n}.png": picture[:40] for n, picture in enumerate(crops(10, seed=3))})
    (folder / "010.png").write_bytes((folder / "010.png").read_bytes()[:200])
    return folder


@pytest.mark.parametrize("start", ["fork", "forkserver"])
def test_processes_measure_what_threads_do_to_the_last_digit(data: Path, tmp_path: Path, start: str) -> None:
    process = scan(data, tmp_path / start, start)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 0, errors
    measure_part("images", data, tmp_path / "threads")
    assert (tmp_path / start / ITEMS).read_text() == (tmp_path / "threads" / ITEMS).read_text()
    with open_cache(tmp_path / f"{start}.sqlite", "images") as known:
        measure_part("images", data, tmp_path / "again", cache=known)
        assert known.hits == 80


def test_workers_do_not_import_the_script_that_starts_them(data: Path, tmp_path: Path) -> None:
    """Snakemake's scripts use a name that only Snakemake gives them."""
    script = tmp_path / "measure.py"
    script.write_text("assert __name__ == '__main__', 'imported again'\n" + SCAN)
    words = [str(script), str(data), str(tmp_path / "out"), "forkserver", str(tmp_path / "cache.sqlite")]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-3000:]


def test_the_company_of_a_picture_changes_nothing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 7, 32):
        monkeypatch.setattr(workers, "CHUNK", size)
        measure_part("images", data, tmp_path / str(size))
    texts = {(tmp_path / str(size) / ITEMS).read_text() for size in (1, 7, 32)}
    assert len(texts) == 1


def test_no_fork_beside_another_thread() -> None:
    let_go = threading.Event()
    other = threading.Thread(target=let_go.wait)
    other.start()
    try:
        assert not workers.is_single_threaded()
    finally:
        let_go.set()
        other.join(timeout=LIMIT_S)


@pytest.mark.parametrize("start", ["fork", "forkserver"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_owner(tmp_path: Path, start: str, how: signal.Signals) -> None:
    """Ctrl-C reaches every process of the terminal, SIGKILL only the one that it is sent to."""
    crop = crops(1)[0]
    data = write(tmp_path / "data", {f"{n:05d}.png": crop for n in range(4000)})
    process = scan(data, tmp_path / "out", start)
    line_with(process, "1")
    workers_of_it = psutil.Process(process.pid).children(recursive=True)
    assert len(workers_of_it) >= 2
    if how == signal.SIGINT:
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    errors = process.communicate(timeout=30)[1]
    assert process.returncode != 0
    assert psutil.wait_procs(workers_of_it, timeout=10)[1] == []
    assert not (tmp_path / "out").exists()
    if how == signal.SIGINT:
        assert errors.count("Traceback") <= 1, errors  # of the owner alone
