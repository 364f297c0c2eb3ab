"""Files of an archive as a hostile machine could write them: each reader takes little memory and little time."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from gonogo.agent.checkpoints import is_complete
from gonogo.base.errors import UserError
from gonogo.experiment.starting_checkpoint import final_checkpoint
from gonogo.report.success_criteria import criteria
from gonogo.training.spec import TrainingResult
from tests.conftest import ROOT

MEMORY_BYTES, CPU_S = 300_000_000, 30.0
GIGABYTE = 1 << 30
# in a process of its own, to measure it
READ = """
import json, sys, time
from pathlib import Path
from gonogo.report.success_criteria import criteria, files_to_monitor
from gonogo.cli.review import review
from gonogo.base.text import clean
from gonogo.stages.validate import alerts_of
from gonogo.training.logged_metrics import logged_metrics
run = Path(sys.argv[1])
began = time.process_time()
metrics = logged_metrics(run / "out")
page, status = review(run)
alerts = alerts_of(run / "out/training.json")
took = time.process_time() - began
(peak,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
print(json.dumps({
    "metrics": len(metrics), "longest": max(map(len, metrics), default=0), "page": len(page),
    "shown": all(line.isprintable() for line in page.splitlines()), "alerts": len(alerts),
    "alert": max(map(len, alerts), default=0), "cpu_s": took, "bytes": int(peak.split()[1]) << 10,
}))
"""


def hole(path: Path, size_bytes: int = GIGABYTE) -> None:
    """A line of a gigabyte that takes no room."""
    with path.open("wb") as file:
        file.truncate(size_bytes)


def repeated(path: Path, block: bytes, count: int, head: bytes = b"", tail: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(head)
        for _ in range(count):
            file.write(block)
        file.write(tail)


def result(**changed: object) -> bytes:
    facts = {
        "steps": 1, "epochs": 1, "parameters": 1, "train_loss": [1.0], "val_steps": [], "val_loss": [], "step_s": [1.0],
        "wall_s": 1.0, "peak_memory_bytes": 1, "device": "CPU", "finite": True,
    }  # fmt: skip
    return json.dumps({**facts, **changed}).encode()


COLUMNS = b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n"
FAULTS = {
    "a line of a gigabyte": ("metrics.csv", hole),
    "a line of 190 MB": ("metrics.csv", lambda path: hole(path, 190_000_000)),
    "commas": ("metrics.csv", lambda path: repeated(path, b"," * 1000, 190_000)),
    "a million columns": ("metrics.csv", lambda path: repeated(path, COLUMNS, 10)),
    "short rows without end": ("metrics.csv", lambda path: repeated(path, b"1\n" * 1000, 95_000, b"loss\n")),
    "an open quote": ("metrics.csv", lambda path: repeated(path, b"1\n" * 1000, 95_000, b'loss\n"')),
    "not a number": ("metrics.csv", lambda path: repeated(path, b"nan,inf,-inf,1e999\n", 100, b"a,b,c,d\n")),
    "printed without end": ("printed.jsonl", lambda path: repeated(path, b'{"loss": 1}\n' * 1000, 15_000)),
    "printed names without end": (
        "printed.jsonl", lambda path: repeated(path, b"".join(b'{"n%d": 1}\n' % n for n in range(100_000)), 10),
    ),
    "a long name": ("printed.jsonl", lambda path: path.write_bytes(b'{"%s": 1}\n' % (b"n" * 900_000))),
    "deep": ("printed.jsonl", lambda path: path.write_bytes(b"[" * 900_000 + b"\n")),
    "lists": ("trainer_state.json", lambda path: repeated(path, b"[]," * 1000, 60_000, b'{"log_history": [', b"[]]}")),
    "numbers of many digits": (
        "trainer_state.json", lambda path: path.write_bytes(b'{"log_history": [{"loss": ' + b"9" * 4000 + b"}]}"),
    ),
    "an integer without end": (
        "events.out.tfevents.1",
        lambda path: repeated(path, b"\xff" * 1000, 190_000, struct.pack("<Q", 190_000_000) + b"head"),
    ),
    "an integer of a megabyte": (
        "events.out.tfevents.1",
        lambda path: repeated(path, struct.pack("<Q", 1_000_000) + b"head" + b"\xff" * 1_000_000 + b"tail", 1),
    ),
    "a record beyond the end": (
        "events.out.tfevents.1", lambda path: path.write_bytes(struct.pack("<Q", 2**64 - 1) + b"head" + b"x" * 100),
    ),
    "small fields without end": (
        "events.out.tfevents.1",
        lambda path: repeated(path, struct.pack("<Q", 900_000) + b"head" + b"\x08\x01" * 450_000 + b"tail", 150),
    ),
    "no log but a gigabyte": ("../log.txt", hole),
    "lines without end": ("../log.txt", lambda path: repeated(path, b"\n" * 1000, 400_000)),
    "short lines without end": ("../log.txt", lambda path: repeated(path, b"x\n" * 1000, 200_000)),
    "lines that look like errors": (
        "../log.txt", lambda path: repeated(path, b"hipBLASLt " * 6000 + b"\n", 4000),
    ),
    "a result of a gigabyte": ("training.json", hole),
    "a word of 30 MB": ("training.json", lambda path: path.write_bytes(result(stopped="x" * 30_000_000))),
    "a million alerts": ("training.json", lambda path: path.write_bytes(result(alerts=["x" * 30] * 1_000_000))),
    "one long alert": ("training.json", lambda path: path.write_bytes(result(alerts=["\x1b[2J" * 1_000_000]))),
}  # fmt: skip
QUICK = ("a long name", "not a number", "a record beyond the end", "an integer of a megabyte", "numbers of many digits")
CASES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in FAULTS]


@pytest.mark.parametrize("fault", CASES)
def test_a_reader_of_the_archive_takes_little_memory_and_little_time(fault: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "log.txt").write_text("step 1/1\n")
    (out / "z.csv").write_text("good\n1\n")
    name, write = FAULTS[fault]
    write(out / name)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    print(fault, read)
    assert read["bytes"] <= MEMORY_BYTES and read["cpu_s"] <= CPU_S, read
    assert read["metrics"] <= 1000 and read["longest"] <= 100 and read["page"] <= 20_000 and read["shown"], read
    assert read["alerts"] <= 100 and read["alert"] <= 1000, read


@pytest.mark.parametrize(
    "changed",
    [
        {"peak_memory_bytes": 10**400}, {"steps": -1}, {"step_s": [float("inf")]}, {"wall_s": float("nan")},
        {"phase_peaks_bytes": {str(n): 1 for n in range(1000)}}, {"phase_peaks_bytes": {"steps": 10**40}},
    ],
)  # fmt: skip
def test_numbers_that_nothing_can_divide_are_refused(changed: dict[str, object]) -> None:
    TrainingResult.parsed(result())
    with pytest.raises(ValueError, match="validation error"):
        TrainingResult.parsed(result(**changed))


def test_checkpoints_without_end_are_counted(tmp_path: Path) -> None:
    (tmp_path / "out/checkpoints").mkdir(parents=True)
    for number in range(300):
        (tmp_path / f"out/checkpoints/{number}.ckpt").touch()
    (saved,) = [one for one in criteria(tmp_path) if one.name == "Checkpoints are saved"]
    assert len(saved.evidence) < 1000 and "300" in saved.evidence


def test_a_checkpoint_that_unpacks_to_far_more_than_it_is_is_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "run/out/checkpoints"
    folder.mkdir(parents=True)
    (tmp_path / "archive.json").write_text(json.dumps({"folder": str(tmp_path / "run")}))
    torch.save({"a": torch.zeros(1000)}, folder / "best.ckpt")
    assert final_checkpoint(tmp_path / "archive.json") == folder / "best.ckpt" and is_complete(folder / "best.ckpt")
    with zipfile.ZipFile(folder / "best.ckpt") as saved:
        records = {name: saved.read(name) for name in saved.namelist()}
    with zipfile.ZipFile(folder / "best.ckpt", "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, content in records.items():
            bomb.writestr(name, bytes(20_000_000) if name.endswith("data/0") else content)
    with pytest.raises(UserError, match="unpacks to far more than it is"):
        final_checkpoint(tmp_path / "archive.json")
    assert not is_complete(folder / "best.ckpt")
