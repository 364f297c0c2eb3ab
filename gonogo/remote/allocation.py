"""A job of a Slurm cluster as the machine of a target: submitted once, found again, reached by SSH, and cancelled.

The job runs `gonogo.remote.allocation_server`, which writes how it is reached into a folder that its node shares with
this host. What was submitted is noted there before anything else is done, and looked for by name before it is done.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.models import StrictModel
from gonogo.base.text import clean
from gonogo.base.units import duration
from gonogo.config.target import Slurm, Ssh, Target
from gonogo.remote import embedded_server
from gonogo.remote.embedded_commands import INHERITED
from gonogo.remote.errors import RemoteError, Unreachable

ANSWER_S, POLL_S, SERVER_S = 60.0, 1.0, 120.0
REQUEUE_S = 10.0  # a job that is requeued looks as if it had ended for a moment
MORE_MINUTES = 10  # than max_hours: the agent ends the run before Slurm does
QUEUED = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
AT_WORK = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
ENDED = {
    "CANCELLED": "was cancelled",
    "PREEMPTED": "was preempted by another job",
    "NODE_FAIL": "was lost with its node",
    "BOOT_FAIL": "was lost with its node, which did not start",
    "TIMEOUT": "reached its time limit",
    "DEADLINE": "reached its deadline",
    "OUT_OF_MEMORY": "used more than memory_gb of the target",
    "COMPLETED": "ended, because no client was connected for lease_minutes",
    "FAILED": "ended with an error",
}


class Submitted(StrictModel):
    """`job.json`: the job, and the invocation that used it last."""

    job_id: str
    session: str


class JobEnded(RemoteError):
    """The job is over: nothing can be reached there."""


def folder_of(results_dir: Path, target: str) -> Path:
    """Where the target's job keeps its files, its home included."""
    return (results_dir / "slurm" / target).absolute()


def ensure(folder: Path, target: Target, session: str, say: Callable[[str], None]) -> Ssh:
    """How to reach the job's server. The job is submitted unless there is one, and its start is waited for.

    One that ends while an invocation uses it is reported there, as often as it asks; the next one submits another.

    Raises:
        JobEnded: it ended, with the cause.
        UserError: Slurm refuses it, it was not started within `queue_hours`, or its node does not share `folder`.
    """
    slurm, folder = target.connection, folder.absolute()
    assert isinstance(slurm, Slurm)
    with embedded_server.locked(folder):
        known = _read(folder)
        job = known.job_id if known else _found(folder)
        if known is None or known.session != session:
            if not job or state_of(job)[0] not in (*QUEUED, *AT_WORK):
                job = _submit(folder, target, slurm, say)
            write_text(folder / "job.json", Submitted(job_id=job, session=session).model_dump_json() + "\n")
    until, told = time.monotonic() + 3600 * slurm.queue_hours, False
    running_since: float | None = None
    ended_since: float | None = None
    while True:
        state, node = state_of(job)
        ended_since = None if state in (*QUEUED, *AT_WORK) else ended_since or time.monotonic()
        if ended_since and time.monotonic() - ended_since > REQUEUE_S:
            raise JobEnded(ended_words(folder, job, state))
        instance = embedded_server.read_instance(folder)
        if state == "RUNNING" and instance and instance.job_id == job and instance.host == node:
            return _reached(folder, instance)
        if state == "RUNNING":
            running_since = running_since or time.monotonic()
            if time.monotonic() - running_since > SERVER_S:
                cancel(folder)
                raise UserError(
                    f"job {job} runs on {node}, and nothing of it appears in {folder}: is that folder on a "
                    f"file system which {node} shares? The job is cancelled; its output: {folder / 'job.txt'}"
                )
        elif state in QUEUED and not told:
            told = True
            say(f"job {job} of Slurm waits in the queue")
        if time.monotonic() > until:
            cancel(folder)
            raise UserError(
                f"job {job} was not started within {duration(3600 * slurm.queue_hours)} (queue_hours), and is cancelled"
            )
        time.sleep(POLL_S)


def running(folder: Path) -> Ssh:
    """How to reach the job's server that is there, without submitting or waiting.

    Raises:
        Unreachable: there is none.
    """
    folder = folder.absolute()
    known, instance = _read(folder), embedded_server.read_instance(folder)
    state, node = state_of(known.job_id) if known else ("", "")
    if known is None or instance is None or state != "RUNNING" or instance.host != node:
        raise Unreachable(f"{folder}: no job of Slurm runs for this target ({state.lower() or 'none was submitted'})")
    return _reached(folder, instance)


def refusal(slurm: Slurm, hours: float) -> str:
    """Why Slurm would not take such a job now, as it says it; empty: it would."""
    try:
        _ask("sbatch", "--test-only", *_options(slurm, hours), "--wrap", "true")
    except UserError as error:
        return str(error)
    return ""


def longest_hours(slurm: Slurm) -> float | None:
    """The partition's time limit; None: it has none, or it is not known."""
    shown = _ask("sinfo", "-h", "-o", "%P|%l", *(["-p", slurm.partition] if slurm.partition else []))
    for line in shown.splitlines():
        name, _, limit = line.partition("|")
        if slurm.partition or name.endswith("*"):
            return _hours(limit)
    return None


def at_work(folder: Path) -> str:
    """The folder's job that is in the queue or running; empty: none is."""
    known = _read(folder)
    return known.job_id if known and state_of(known.job_id)[0] in (*QUEUED, *AT_WORK) else ""


def cancel(folder: Path) -> str:
    """Cancel the folder's job, and wait until it is gone; returns its id, empty where there was none."""
    job = at_work(folder)
    if job:
        _ask("scancel", job)
    until = time.monotonic() + SERVER_S
    while at_work(folder) and time.monotonic() < until:
        time.sleep(POLL_S / 5)
    (folder / "job.json").unlink(missing_ok=True)
    return job


def state_of(job_id: str) -> tuple[str, str]:
    """State and node, by `squeue`, and by `sacct` for one that it has forgotten; empty where neither knows it."""
    for words in (
        ("squeue", "-h", "-t", "all", "-j", job_id, "-o", "%T|%N"),
        ("sacct", "-n", "-X", "-P", "-j", job_id, "-o", "State,NodeList"),
    ):
        try:
            said = _ask(*words)
        except UserError as error:
            if "Invalid job id" in str(error) or words[0] == "sacct":
                continue
            raise Unreachable(str(error)) from None
        if said:
            state, _, node = said.splitlines()[0].partition("|")
            return state.split()[0], node
    return "", ""


def ended_words(folder: Path, job_id: str, state: str) -> str:
    """How the job ended, and what to do."""
    how = ENDED.get(state, f"is no longer known to Slurm{f' ({state})' if state else ''}")
    return (
        f"job {job_id} of Slurm {how}. Its checkpoints are below {folder}, and the same command resumes from the last "
        f"complete one in another job; its output: {folder / 'job.txt'}"
    )


def job_name(folder: Path) -> str:
    return f"gonogo-{digest(str(folder.absolute()))[:12]}"


def _found(folder: Path) -> str:
    """A job of this folder that is in the queue, though nothing was noted: whoever submitted it was killed."""
    return _ask("squeue", "-h", "--me", "--name", job_name(folder), "-o", "%i").partition("\n")[0]


def _submit(folder: Path, target: Target, slurm: Slurm, say: Callable[[str], None]) -> str:
    (folder / "instance.json").unlink(missing_ok=True)
    root = Path(__file__).parents[2]
    serve = shlex.join([sys.executable, "-m", "gonogo.remote.allocation_server", str(folder), target.root])
    script = f"#!/bin/sh\ncd {shlex.quote(str(root))}\nexec {serve}\n"
    kept = ",".join([*INHERITED, "SLURM_CONF"])
    options = ["--parsable", "--requeue", "--job-name", job_name(folder), f"--export={kept}", "--chdir", str(folder)]
    options += ["--output", str(folder / "job.txt"), "--open-mode", "append"]
    said = _ask("sbatch", *options, *_options(slurm, target.max_hours), given=script)
    job_id = said.splitlines()[-1].partition(";")[0].strip()
    if not job_id.isdigit():
        raise UserError(f"sbatch did not say which job it has made: {clean(said)[:200]}")
    say(f"job {job_id} of Slurm is submitted")
    return job_id


def _options(slurm: Slurm, hours: float) -> list[str]:
    asked = {"partition": slurm.partition, "account": slurm.account, "qos": slurm.qos, "gres": slurm.gres}
    return [
        *(f"--{name}={value}" for name, value in asked.items() if value),
        f"--cpus-per-task={slurm.cpus}",
        f"--mem={round(1e9 * slurm.memory_gb / 2**20)}M",
        f"--time={_minutes(slurm, hours)}",
        "--ntasks=1",
    ]


def _minutes(slurm: Slurm, hours: float) -> int:
    longest = longest_hours(slurm)
    wanted = round(60 * hours) + MORE_MINUTES
    return wanted if longest is None else max(1, min(wanted, int(60 * longest)))


def _reached(folder: Path, instance: embedded_server.Instance) -> Ssh:
    """At the address by which Slurm itself reaches the node."""
    shown = _ask("scontrol", "show", "node", instance.host, "-o")
    words = dict(word.partition("=")[::2] for word in shown.split())
    address = words.get("NodeAddr", instance.host)
    write_text(folder / "known_hosts", f"[{address}]:{instance.port} {instance.host_key}\n")
    ssh = embedded_server.ssh_to(folder, instance)
    if not ssh.key_file.exists():
        raise Unreachable(f"job {instance.job_id} of Slurm is being started again on {instance.host}")
    return ssh.model_copy(update={"host": address})


def _hours(limit: str) -> float | None:
    """Of `[days-]hours:minutes:seconds` or `minutes:seconds`."""
    days, dash, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in parts) or (dash and not days.isdigit()):
        return None
    h, m, s = [0, 0, 0, *map(int, parts)][-3:]
    return 24 * int(days or 0) + h + m / 60 + s / 3600


def _ask(*words: str, given: str = "") -> str:
    """What a command of Slurm's prints.

    Raises:
        UserError: it is not there, fails, or does not answer.
    """
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            words, input=given, capture_output=True, text=True, timeout=ANSWER_S, check=False
        )
    except FileNotFoundError:
        raise UserError(
            f"{words[0]}: not found: a target of kind slurm needs Slurm's commands on this host, the login node"
        ) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{words[0]}: Slurm has not answered for {ANSWER_S:.0f} s") from None
    if done.returncode:
        raise UserError(f"{words[0]}: {clean(' '.join(done.stderr.split()))[:300] or f'exit code {done.returncode}'}")
    return done.stdout.strip()


def _read(folder: Path) -> Submitted | None:
    try:
        return Submitted.model_validate_json((folder / "job.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
