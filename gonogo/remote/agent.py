"""What runs on the machine: one file, standard library only, Python 3.8 or newer.

`python3 agent.py COMMAND …` from the target's root; paths are relative to it. Each command answers with one line of
JSON; `log` and `pack` with bytes, `follow` with lines. A run is a folder:

    run.json        key, argv, workspace
    log.txt         stdout and stderr of the command, each line after a UTC time
    heartbeat.json  every second
    exit.json       once, at the end: cause, code, signal, times
    lease           its mtime is renewed by whoever watches; unchanged for --lease-s: the run ends
    stop            appears when the run should end
    agent.log       what the supervisor itself has to say, normally nothing

One run at a time holds the lock of its workspace. The lock's descriptor is inherited by the run, so "locked" means
that something of it is alive.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import select
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

CHUNK_BYTES = 1 << 20
LOCK, GUARD = ".run.lock", ".run.guard"
PARTIAL = ".gonogo-partial-"
PARTIAL_KEPT_S = 3600
BEAT_S = 1.0
GRACE_S = 20.0
LOG_POLL_S = 0.2
WATCHER_SILENT_S = 60.0
RELAUNCH_WAIT_S = 5.0
LONGEST_LINE_BYTES = 64 << 10
DRAIN_S = 2.0
STARTED = "started"
ENDED_AS = {0: "finished", 4: "stopped_by_gate"}  # exit codes of `python -m gonogo.training`
OLDEST_PYTHON = (3, 11)


class Problem(Exception):
    """A failure that the message explains."""


def read_json(path: Path) -> Any:
    """What the file holds; None where there is none."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_json(path: Path, value: Any) -> None:
    """Write whole or not at all."""
    temporary = path.with_name("." + path.name + ".tmp")
    temporary.write_text(json.dumps(value) + "\n")
    temporary.replace(path)


# --- files: manifest, receive, pack, remove --------------------------------------------------------------


def check_name(name: str) -> None:
    """Raise Problem unless the name is a plain relative path that stays below its folder."""
    if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise Problem(f"{name!r}: not a plain relative name; refused")


def files_below(root: Path, names: Iterable[str] = ("",)) -> Iterator[tuple[str, Path | None]]:
    """Relative name → path of every file below these names of `root`; None for what cannot travel.

    Links to files inside `root` count as the files; other links, devices and pipes cannot travel. Hidden names and
    `__pycache__` are left out.
    """
    real_root = root.resolve()
    for name in names:
        yield from _walk(root / name, name, real_root)


def _walk(path: Path, name: str, real_root: Path) -> Iterator[tuple[str, Path | None]]:
    if path.is_dir() and not (name and path.is_symlink()):
        for entry in sorted(path.iterdir()):
            if not entry.name.startswith(".") and entry.name != "__pycache__":
                yield from _walk(entry, f"{name}/{entry.name}" if name else entry.name, real_root)
    elif path.is_file() and real_root in path.resolve().parents:
        yield name, path
    elif path.exists() or path.is_symlink():
        yield name, None


def file_entry(path: Path) -> dict[str, Any]:
    """A file's line in a manifest: sha256 in hex, and bytes."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(CHUNK_BYTES), b""):
            digest.update(chunk)
            size += len(chunk)
    return {"sha256": digest.hexdigest(), "bytes": size}


def manifest(root: Path, names: Iterable[str] = ("",)) -> dict[str, dict[str, Any]]:
    """Relative name → `file_entry`, with an empty sha256 for what cannot travel."""
    found = files_below(root, names)
    return {name: {"sha256": "", "bytes": 0} if path is None else file_entry(path) for name, path in found}


def _no_progress(count: int) -> None:
    """Nobody is looking."""


class _Bounded:
    """A reader that ends the transfer when more comes than was announced."""

    def __init__(self, stream: Any, limit_bytes: int) -> None:
        self._stream, self._left = stream, limit_bytes

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise Problem("more data came than the manifest announces; refused")
        return data


def receive(stream: Any, root: Path, expected: dict[str, Any], progress: Callable[[int], None] = _no_progress) -> None:
    """Write the files of a tar stream below `root`, each under a temporary name until its hash is right.

    Only regular files that `expected` (a manifest) names are accepted, with the size that it gives, each once, and
    never through a link. `progress(bytes)` is called as they come.

    Raises:
        Problem: names the file that was refused, differs or is missing. Files that came whole before it stay.
    """
    import tarfile

    for name in expected:
        check_name(name)
    root.mkdir(parents=True, exist_ok=True)
    waiting = dict(expected)
    bounded: Any = _Bounded(stream, _tar_bytes_at_most(expected))
    try:
        with tarfile.open(fileobj=bounded, mode="r|", bufsize=CHUNK_BYTES) as tar:
            for member in tar:
                if member.name not in waiting or not member.isreg() or member.issparse():
                    raise Problem(f"{member.name!r}: not a file that the manifest names; refused")
                entry, source = waiting[member.name], tar.extractfile(member)
                if source is None or member.size != entry["bytes"]:
                    raise Problem(f"{member.name}: {member.size} bytes came, not as many as the manifest says")
                with _replacing(_target(root, member.name), executable=bool(member.mode & 0o100)) as out:
                    if _copy(source, out, progress) != entry["sha256"]:
                        raise Problem(f"{member.name}: what came is not what was sent (sha256)")
                del waiting[member.name]
        while bounded.read(CHUNK_BYTES):
            pass  # padding, which the sender must be able to write
    except (tarfile.TarError, EOFError) as error:
        raise Problem(f"the stream broke at {next(iter(waiting), 'its end')}: {error}") from None
    if waiting:
        raise Problem(f"the stream ended before {next(iter(waiting))}")


def _tar_bytes_at_most(expected: dict[str, Any]) -> int:
    """What a tar of these files can take: contents, headers with long names, padding."""
    return sum(entry["bytes"] + 8192 + 4 * len(os.fsencode(name)) for name, entry in expected.items()) + CHUNK_BYTES


def _target(root: Path, name: str) -> Path:
    """The file's path, its folders made, none of them reached through a link."""
    path = root
    for part in name.split("/")[:-1]:
        path = path / part
        if path.is_symlink():
            raise Problem(f"{name}: {path} is a link; refused to write through it")
        path.mkdir(exist_ok=True)
    return root / name


@contextlib.contextmanager
def _replacing(path: Path, executable: bool) -> Iterator[IO[bytes]]:
    """A file under a temporary name beside `path` that takes its place when the block ends well."""
    handle, name = tempfile.mkstemp(prefix=PARTIAL, dir=str(path.parent))
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        Path(name).chmod(0o755 if executable else 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def _copy(source: IO[bytes], out: IO[bytes], progress: Callable[[int], None]) -> str:
    """Copy to the end; returns the sha256 of what was copied."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: source.read(CHUNK_BYTES), b""):
        digest.update(chunk)
        out.write(chunk)
        progress(len(chunk))
    return digest.hexdigest()


def pack(files: dict[str, Path], stream: Any, progress: Callable[[int], None] = _no_progress) -> None:
    """Write a tar stream of these files (name in the archive → file), links followed.

    Raises:
        Problem: a file cannot be read, or shrank meanwhile.
    """
    import tarfile

    with tarfile.open(fileobj=stream, mode="w|", bufsize=CHUNK_BYTES, format=tarfile.PAX_FORMAT) as tar:
        for name, path in files.items():
            try:
                source = path.open("rb")
            except OSError as error:
                raise Problem(f"{path}: cannot be read ({error.strerror})") from None
            with source:
                status = os.fstat(source.fileno())
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = status.st_size, status.st_mode & 0o755, int(status.st_mtime)
                counted: Any = _Counted(source, path, progress)
                tar.addfile(member, counted)


class _Counted:
    """A file that reports what is read of it, and says so when it is shorter than it was."""

    def __init__(self, source: IO[bytes], path: Path, progress: Callable[[int], None]) -> None:
        self._source, self._path, self._progress = source, path, progress

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise Problem(f"{self._path}: changed while it was being sent")
        self._progress(len(data))
        return data


def unpack(root: Path, stream: IO[bytes]) -> dict[str, Any]:
    """`receive` from a stream whose first line is the manifest of what follows."""
    expected = json.loads(stream.readline() or b"{}")
    root.mkdir(parents=True, exist_ok=True)
    total, free = sum(entry["bytes"] for entry in expected.values()), shutil.disk_usage(str(root)).free
    if total > free:
        raise Problem(f"{total / 1e6:.0f} MB to come, {free / 1e6:.0f} MB free on the machine: make room there")
    for folder in {(root / name).parent for name in expected}:
        for partial in folder.glob(PARTIAL + "*"):
            if time.time() - partial.stat().st_mtime > PARTIAL_KEPT_S:
                partial.unlink()  # a killed transfer left it
    receive(stream, root, expected)
    return {"files": len(expected), "bytes": total}


def remove(root: Path, names: Iterable[str]) -> dict[str, Any]:
    """Remove these files of `root`, and the folders that this empties."""
    count = 0
    for name in names:
        check_name(name)
        parts = name.split("/")
        parents = [root.joinpath(*parts[:depth]) for depth in range(len(parts) - 1, 0, -1)]
        if any(parent.is_symlink() for parent in parents):
            raise Problem(f"{name}: reached through a link; not removed")
        (root / name).unlink()
        count += 1
        for folder in parents:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return {"removed": count}


# --- the lock of a workspace -----------------------------------------------------------------------------


@contextlib.contextmanager
def guarded(workspace: Path) -> Iterator[None]:
    """Held for moments by whoever tries the run's lock, so that asking never looks like holding."""
    workspace.mkdir(parents=True, exist_ok=True)
    guard = os.open(str(workspace / GUARD), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def try_lock(workspace: Path) -> int | None:
    """A descriptor that holds the run's lock, or None when a run holds it. Call it guarded."""
    lock = os.open(str(workspace / LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def active(workspace: Path) -> dict[str, Any] | None:
    """The run that holds the workspace's lock: {"run_dir", "key"}; None when it is free."""
    if not workspace.is_dir():
        return None
    with guarded(workspace):
        lock = try_lock(workspace)
        if lock is None:
            return _holder(workspace)
        os.close(lock)
        return None


def _holder(workspace: Path) -> dict[str, Any]:
    holder = read_json(workspace / LOCK)
    return {"run_dir": os.path.relpath(holder["run_dir"]), "key": holder["key"]}


# --- runs: launch, status, log, stop ---------------------------------------------------------------------


def launch(args: argparse.Namespace, argv: list[str]) -> dict[str, Any]:
    """Start the command detached, unless the workspace is taken or the same key has finished well here.

    Returns:
        `state` started | already | done, with `run_dir` and `key` of the run that it is about, and for a new one
        `log_offset`: where its log begins.
    """
    run_dir = args.folder.absolute()
    workspace = args.workspace.absolute() if args.workspace else run_dir.parent
    run_dir.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + RELAUNCH_WAIT_S
    while True:
        with guarded(workspace):
            lock = try_lock(workspace)
            if lock is not None:
                try:
                    return _start(args, argv, run_dir, workspace, lock)
                finally:
                    os.close(lock)
            holder = _holder(workspace)
        if read_json(Path(holder["run_dir"]) / "exit.json") is None or time.monotonic() > give_up:
            return {"state": "already", **holder}
        time.sleep(0.1)  # it has ended and is about to let go


def _start(args: argparse.Namespace, argv: list[str], run_dir: Path, workspace: Path, lock: int) -> dict[str, Any]:
    answer = {"run_dir": os.path.relpath(str(run_dir)), "key": args.key}
    known, ended = read_json(run_dir / "run.json"), read_json(run_dir / "exit.json")
    if known and known["key"] == args.key and ended and ended["cause"] == "finished":
        return {"state": "done", **answer}
    for name in ("exit.json", "heartbeat.json", "stop"):
        with contextlib.suppress(FileNotFoundError):
            (run_dir / name).unlink()
    for name in ("lease", "log.txt"):
        (run_dir / name).touch()
    offset = (run_dir / "log.txt").stat().st_size
    write_json(run_dir / "run.json", {"key": args.key, "argv": argv, "workspace": str(workspace)})
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"run_dir": str(run_dir), "key": args.key}).encode(), 0)
    word = _detached(lock, run_dir, lambda say: Supervisor(args, argv, run_dir, lock).run(say))
    if word != STARTED:
        raise Problem("the run did not start: " + (word or f"see agent.log in {answer['run_dir']}"))
    return {"state": "started", **answer, "log_offset": offset}


def _detached(lock: int, run_dir: Path, work: Callable[[Callable[[str], None]], None]) -> str:
    """Do the work in a daemon of its own session, and wait for its first word."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        os.waitpid(child, 0)
        with os.fdopen(reader) as stream:
            return stream.read()
    try:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            errors = os.open(str(run_dir / "agent.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            for number, descriptor in enumerate((null, null, errors)):
                os.dup2(descriptor, number)
            _close_all_but(lock, writer)
            work(lambda word: _say(writer, word))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def _close_all_but(*kept: int) -> None:
    """Above the three standard ones. The guard is among those closed: kept open, it would stay held."""
    for descriptor in [int(path.name) for path in Path("/dev/fd").iterdir()]:
        if descriptor > 2 and descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _say(writer: int, word: str) -> None:
    with contextlib.suppress(OSError):
        os.write(writer, word.encode())
    os.close(writer)


def status(run_dir: Path) -> dict[str, Any]:
    """`state` none | running | exited | lost, with the last heartbeat and the exit where there are such.

    Lost: no exit was recorded and nothing of the run is alive.
    """
    known = read_json(run_dir / "run.json")
    if known is None:
        return {"state": "none", "heartbeat": None, "exit": None}
    holder = active(Path(known["workspace"]))
    ended, beat = read_json(run_dir / "exit.json"), read_json(run_dir / "heartbeat.json")
    held = holder is not None and Path(holder["run_dir"]).resolve() == run_dir.resolve()
    return {"state": "exited" if ended else "running" if held else "lost", "heartbeat": beat, "exit": ended}


def stop(run_dir: Path) -> dict[str, Any]:
    """Ask the run to end; it does so within its grace period. Answers with its status."""
    known = status(run_dir)
    if known["state"] == "running":
        (run_dir / "stop").touch()
    return known


def lease(run_dir: Path) -> dict[str, Any]:
    """Tell the run that somebody still looks after it."""
    if run_dir.is_dir():
        (run_dir / "lease").touch()
    return {"leased": run_dir.is_dir()}


def log_part(run_dir: Path, offset: int, limit_bytes: int = CHUNK_BYTES) -> bytes:
    """Bytes of the log from `offset`."""
    try:
        with (run_dir / "log.txt").open("rb") as log:
            log.seek(offset)
            return log.read(limit_bytes)
    except FileNotFoundError:
        return b""


def follow(run_dir: Path, offset: int) -> None:
    """Stream JSON lines until the run ends: {"log", "offset"}, {"heartbeat"}, at last {"exit"} or {"state"}.

    Each byte on stdin renews the lease. It ends by itself when stdin closes or is silent for a minute, because then
    nobody is there: a link can drop without this side being told.
    """
    heard, next_beat = time.monotonic(), 0.0
    while True:
        beat_due = time.monotonic() >= next_beat
        known = status(run_dir) if beat_due or (run_dir / "exit.json").exists() else {"state": "running"}
        offset = _emit_log(run_dir, offset)
        if known["state"] != "running":
            _emit({"exit": known["exit"]} if known["exit"] else {"state": known["state"]})
            return
        if beat_due:
            _emit({"heartbeat": known["heartbeat"]})
            next_beat = time.monotonic() + BEAT_S
        if select.select([0], [], [], LOG_POLL_S)[0]:
            if not os.read(0, 4096):
                return
            heard = time.monotonic()
            lease(run_dir)
        if time.monotonic() - heard > WATCHER_SILENT_S:
            return


def _emit_log(run_dir: Path, offset: int) -> int:
    """Emit the whole lines after `offset`; returns where they end."""
    while True:
        lines = log_part(run_dir, offset).split(b"\n")[:-1]
        if not lines:
            return offset
        for line in lines:
            offset += len(line) + 1
            _emit({"log": line.decode(errors="replace"), "offset": offset})


def _emit(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


# --- the supervisor --------------------------------------------------------------------------------------


def utc(seconds: float) -> str:
    """ISO 8601 with milliseconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _as_shown(line: bytes) -> bytes:
    """A line as a terminal shows it in the end: of a progress bar, what follows its last carriage return."""
    return line.rstrip(b"\r").rpartition(b"\r")[2]


class Supervisor:
    """Starts the command, writes its log and heartbeat, holds it to its limits and records how it ended."""

    def __init__(self, args: argparse.Namespace, argv: list[str], run_dir: Path, lock: int) -> None:
        self.args, self.argv, self.run_dir, self.lock = args, argv, run_dir, lock
        self.log = os.open(str(run_dir / "log.txt"), os.O_WRONLY | os.O_APPEND)
        self.pending = b""
        self.reason = ""
        self.kill_at = 0.0
        self.started_at, self.began = time.time(), time.monotonic()
        self.last_output_at = self.started_at
        self.lease_mtime, self.lease_seen = 0.0, self.began

    def run(self, say: Callable[[str], None]) -> None:
        """From start to exit.json; says "started", or what prevented it."""
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: (self.run_dir / "stop").touch())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wake, waker = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        try:
            self._spawn()
        except OSError as error:
            (self.run_dir / "run.json").unlink()
            say(f"{error.filename or self.argv[0]}: {error.strerror}")
            return
        self._beat()
        say(STARTED)
        self._record(self._watch())

    def _spawn(self) -> None:
        extra = dict(pair.partition("=")[::2] for pair in self.args.env)
        self.output, writer = os.pipe()
        os.set_blocking(self.output, False)
        try:
            self.child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                cwd=str(self.args.cwd or self.run_dir),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **extra},
                pass_fds=[self.lock],
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  (no thread runs here)
            )
        finally:
            os.close(writer)

    def _watch(self) -> int:
        """Until the child has ended; returns its code, negative for a signal."""
        next_beat = time.monotonic() + BEAT_S
        with selectors.DefaultSelector() as ready:
            ready.register(self.output, selectors.EVENT_READ, self._read_output)
            ready.register(self.wake, selectors.EVENT_READ, lambda: bool(os.read(self.wake, 512)))
            while self.child.poll() is None:
                for key, _ in ready.select(max(0.0, next_beat - time.monotonic())):
                    if not key.data():
                        ready.unregister(key.fileobj)
                if time.monotonic() >= next_beat:
                    self._beat()
                    self._enforce()
                    next_beat += BEAT_S
        self._signal_group(signal.SIGKILL)  # what the command left behind
        self._drain()
        return int(self.child.returncode)

    def _read_output(self) -> bool:
        """Log what there is; False at the end of the output."""
        data = os.read(self.output, CHUNK_BYTES)
        if data:
            self.last_output_at = time.time()
        lines = (self.pending + data).split(b"\n")
        self.pending = _as_shown(lines.pop())
        if len(self.pending) > LONGEST_LINE_BYTES:
            lines.append(self.pending)
            self.pending = b""
        self._write_log(lines)
        return bool(data)

    def _write_log(self, lines: list[bytes]) -> None:
        stamp = utc(time.time()).encode()
        text = b"".join(stamp + b" " + _as_shown(line) + b"\n" for line in lines)
        with contextlib.suppress(OSError):  # a full disk must not end the run
            os.write(self.log, text)

    def _drain(self) -> None:
        """What is still in the pipe; not for long, because something that escaped the group may hold it open."""
        until = time.monotonic() + DRAIN_S
        while select.select([self.output], [], [], max(0.0, until - time.monotonic()))[0] and self._read_output():
            pass
        if self.pending:
            self._write_log([self.pending])

    def _elapsed_s(self) -> float:
        return round(time.monotonic() - self.began, 3)

    def _usd(self) -> float:
        return round(self._elapsed_s() / 3600 * self.args.usd_per_hour, 6)

    def _beat(self) -> None:
        beat = {
            "state": "stopping" if self.reason else "running",
            "pid": os.getpid(),
            "child_pid": self.child.pid,
            "started_at": self.started_at,
            "at": time.time(),
            "elapsed_s": self._elapsed_s(),
            "usd": self._usd(),
            "log_bytes": os.fstat(self.log).st_size,
            "last_output_at": self.last_output_at,
        }
        with contextlib.suppress(OSError):
            write_json(self.run_dir / "heartbeat.json", beat)

    def _enforce(self) -> None:
        """TERM to the group at the first limit that is passed, KILL when the grace period is over."""
        if not self.reason:
            self.reason = self._limit_passed()
            if self.reason:
                self.kill_at = time.monotonic() + GRACE_S
                self._signal_group(signal.SIGTERM)
        elif time.monotonic() > self.kill_at:
            self._signal_group(signal.SIGKILL)

    def _limit_passed(self) -> str:
        """The cause that exit.json will give, or nothing."""
        args = self.args
        if (self.run_dir / "stop").exists():
            return "stopped"
        if args.max_s and self._elapsed_s() >= args.max_s:
            return "over_time"
        if args.max_usd and self._usd() >= args.max_usd:
            return "over_cost"
        return "lease_lost" if args.lease_s and self._unwatched_s() >= args.lease_s else ""

    def _unwatched_s(self) -> float:
        """Since the lease's mtime last changed; by the monotonic clock, because clocks are set."""
        with contextlib.suppress(FileNotFoundError):
            mtime = (self.run_dir / "lease").stat().st_mtime
            if mtime != self.lease_mtime:
                self.lease_mtime, self.lease_seen = mtime, time.monotonic()
        return time.monotonic() - self.lease_seen

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, number)

    def _record(self, code: int) -> None:
        facts = {
            "cause": self.reason or ENDED_AS.get(code) or ("killed" if code < 0 else "failed"),
            "code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "started_at": self.started_at,
            "ended_at": time.time(),
            "elapsed_s": self._elapsed_s(),
            "usd": self._usd(),
        }
        write_json(self.run_dir / "exit.json", facts)


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the command: on Linux, ask to be killed when the supervisor dies."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl, supervisor = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor:
            os._exit(1)

    return ask


# --- setup -----------------------------------------------------------------------------------------------

PROBE = """
import json, torch
if torch.cuda.is_available():
    device = torch.cuda.get_device_name(0)
elif torch.backends.mps.is_available():
    device = "Apple MPS"
else:
    device = "CPU"
print(json.dumps({"torch_version": torch.__version__, "device": device}))
"""
UNPROBED = {"torch_version": "", "device": ""}


def setup(requirements: Path | None, forbidden: list[str]) -> dict[str, Any]:
    """Make an environment from `requirements` (None: this interpreter serves as it is) and look at the machine.

    What is done already is not done again.
    """
    problems = [
        f"{name} is set on the machine, and this accelerator must not have it: unset it there"
        for name in forbidden
        if name in os.environ
    ]
    interpreter, changed, probed = Path(sys.executable), False, UNPROBED
    if sys.version_info < OLDEST_PYTHON:
        asked = ".".join(map(str, OLDEST_PYTHON))
        problems.append(f"Python {_python()} on the machine: {asked} or newer is needed; set the target's python")
    else:
        if requirements is not None:
            interpreter, changed = _environment(requirements)
        probed, problem = _probe(interpreter)
        problems += [problem] if problem else []
    return {
        "python": _python(),
        "interpreter": str(interpreter),
        **probed,
        "disk_free_bytes": shutil.disk_usage(".").free,
        "memory_bytes": _memory_bytes(),
        "problems": problems,
        "changed": changed,
        "time": time.time(),
    }


def _python() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def _environment(requirements: Path) -> tuple[Path, bool]:
    """The interpreter of `env/`, and whether something was installed into it."""
    folder = Path("env").absolute()
    interpreter, marker = folder / "bin" / "python", folder / "requirements.sha256"
    wanted = str(file_entry(requirements)["sha256"])
    if marker.exists() and marker.read_text() == wanted:
        return interpreter, False
    if not interpreter.exists():
        _install([sys.executable, "-m", "venv", str(folder)])
    _install([str(interpreter), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)])
    marker.write_text(wanted)
    return interpreter, True


def _install(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        what, tail = " ".join(argv[1:4]), done.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise Problem("\n".join([f"{what} failed on the machine:", *tail]))


def _probe(interpreter: Path) -> tuple[dict[str, str], str]:
    """torch's version and device, from a process of its own; remembered until reboot or a change of packages."""
    packages = sorted(interpreter.parent.parent.glob("lib/python*/site-packages"))
    boot = Path("/proc/sys/kernel/random/boot_id")
    state = [str(interpreter), _python(), boot.read_text() if boot.exists() else ""]
    state += [str(folder.stat().st_mtime) for folder in packages]
    known = read_json(Path(".probe.json"))
    if known and known["state"] == state:
        return known["probed"], ""
    done = subprocess.run([str(interpreter), "-c", PROBE], capture_output=True, check=False)
    if done.returncode:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
        return UNPROBED, "torch cannot be used on the machine: " + last
    probed = json.loads(done.stdout.decode().splitlines()[-1])
    write_json(Path(".probe.json"), {"state": state, "probed": probed})
    return probed, ""


def _memory_bytes() -> int:
    """RAM, or the container's limit where that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return memory


# --- the command line ------------------------------------------------------------------------------------


def _names(args: argparse.Namespace) -> list[str]:
    return json.load(sys.stdin) if args.names else [""]


def _pack(args: argparse.Namespace, argv: list[str]) -> None:
    files = files_below(args.folder, _names(args))
    pack({name: path for name, path in files if path is not None}, sys.stdout.buffer)


def _log(args: argparse.Namespace, argv: list[str]) -> None:
    lease(args.folder)
    sys.stdout.buffer.write(log_part(args.folder, args.offset))


def _launch(args: argparse.Namespace, argv: list[str]) -> dict[str, Any]:
    if not argv:
        raise Problem("launch: nothing to run; give the command after --")
    path = str(Path(argv[0]).absolute()) if "/" in argv[0] else argv[0]  # from here, not from --cwd
    return launch(args, [path, *argv[1:]])


# what each command does with its options and with what follows `--`
COMMANDS: dict[str, Callable[[argparse.Namespace, list[str]], Any]] = {
    "manifest": lambda args, argv: manifest(args.folder, _names(args)),
    "remove": lambda args, argv: remove(args.folder, _names(args)),
    "unpack": lambda args, argv: unpack(args.folder, sys.stdin.buffer),
    "active": lambda args, argv: active(args.folder),
    "status": lambda args, argv: status(args.folder),
    "stop": lambda args, argv: stop(args.folder),
    "lease": lambda args, argv: lease(args.folder),
    "setup": lambda args, argv: setup(args.requirements, args.forbid),
    "launch": _launch,
}
# these write bytes or lines themselves, the others answer with JSON
STREAMS: dict[str, Callable[[argparse.Namespace, list[str]], None]] = {
    "pack": _pack,
    "log": _log,
    "follow": lambda args, argv: follow(args.folder, args.offset),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in [*COMMANDS, *STREAMS]:
        command = commands.add_parser(name, epilog="then: -- COMMAND ARGUMENT…" if name == "launch" else None)
        if name != "setup":
            command.add_argument("folder", type=Path)
        if name in ("manifest", "pack", "remove"):
            command.add_argument("--names", action="store_true", help="only these names, a JSON list on stdin")
        if name in ("log", "follow"):
            command.add_argument("--offset", type=int, default=0)
    start, make = commands.choices["launch"], commands.choices["setup"]
    start.add_argument("--key", required=True)
    start.add_argument("--workspace", type=Path)
    start.add_argument("--cwd", type=Path)
    start.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    for name in ("--max-s", "--lease-s", "--usd-per-hour", "--max-usd"):
        start.add_argument(name, type=float, default=0.0)
    make.add_argument("--requirements", type=Path)
    make.add_argument("--forbid", action="append", default=[])
    return parser


def main(arguments: list[str]) -> int:
    """Run one command; a failure is a message on stderr and exit code 1."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    args = _parser().parse_args(arguments[:cut])
    try:
        if args.command in STREAMS:
            STREAMS[args.command](args, [])
        else:
            print(json.dumps(COMMANDS[args.command](args, arguments[cut + 1 :])), flush=True)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or args.command}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
