"""Why a pass ended before it had seen what it came for, in the script's terms: one sentence, and what to do."""

from __future__ import annotations

import re
import signal
from typing import NamedTuple

from gonogo.base.text import clean
from gonogo.base.units import gigabytes
from gonogo.script.facts import PassFacts, ScriptError

LONGEST = 300  # characters of an error's message
USAGE = re.compile(r"^\s*usage:", re.IGNORECASE)
REFUSAL = re.compile(r"(?:^|: )error: (.+)|^\s*Error: (.+)|^\s*│\s*((?:Missing|Invalid|No such) .+?)\s*│")
ARGUMENTS = 2  # exit code of argparse and click
ARGUMENTS_HINT = "Write them after the script, as for a real run: gonogo check -- python train.py ARGUMENTS."
SMALLER = 'Give the pass on the processor smaller shapes: --rehearse-with "--batch-size 2".'
REPORT = "This says nothing about the script; report it with the command and the script's line."
NOT_PYTHON = "Correct that line; a file of another kind is no script."


class EarlyEnd(NamedTuple):
    """One sentence for people, and what helps."""

    why: str
    hint: str


class KnownCause(NamedTuple):
    """Errors that a text shows."""

    pattern: re.Pattern[str]  # of `Name: message`, and the line of code that raised it
    why: str  # may name the pattern's groups, and {shown}, the error
    hint: str


def _known(pattern: str, why: str, hint: str) -> KnownCause:
    return KnownCause(re.compile(pattern, re.IGNORECASE), why, hint)


# the first that fits counts
KNOWN = (
    _known(
        r"CUDA_HOME|CUDA[ _]toolkit|nvcc|error building extension|error compiling objects for extension|Ninja is "
        r"required|libcud\w+\.so|_C(uda)?\.\w+\.so|No module named '(triton|flash_attn|apex|xformers|amp_C|"
        r"causal_conv1d\w*|mamba_ssm\w*|[\w.]*_cuda\w*|deepspeed\.ops[\w.]*)'|0 active drivers|triton",
        "it needs a CUDA extension that cannot be built or loaded on this machine ({shown})",
        "Turn it off for the check if the script has a way without it (by --rehearse-with for the processor), or run "
        "gonogo check on a machine that has the CUDA toolkit.",
    ),
    _known(
        r"No module named '(?P<name>[\w.]+)'",
        "it imports {name}, which is not installed where gonogo runs",
        "Install it there (pip install, with the name that its project gives), or run gonogo check in the folder in "
        "which the script works.",
    ),
    _known(
        r"URLError|HTTPError|ConnectionError|ConnectTimeout|MaxRetryError|gaierror|RemoteDisconnected|LocalEntryNotFound"
        r"|OfflineModeIsEnabled|couldn't connect to|Temporary failure in name resolution|Network is unreachable"
        r"|Name or service not known|Connection (refused|reset|timed out)|SSLError|ReadTimeout|HTTPSConnectionPool",
        "it downloads something, and cannot ({shown})",
        "Download it once where there is a network (caches in ~/.cache are used), or give the script a local path.",
    ),
    _known(
        r"device_count|invalid device ordinal|world_?size|n(um)?_?gpus?\b|nproc|\d+ gpus?\b|your machine only has"
        r"|requested gpu|more (gpus|devices) than|device_?ids?",
        "it wants other cards than the one that the check gives it ({shown})",
        "Ask for one by the script's own arguments (--devices 1, --gpus 1): memory is needed on each card.",
    ),
    _known(
        r"MemoryError|can't allocate memory|Cannot allocate memory|std::bad_alloc|Unable to allocate",
        "it is out of memory on this machine ({shown})",
        SMALLER,
    ),
    _known(
        r"FileNotFoundError: .*?'(?P<name>[^']+)'",
        "{name} is not there",
        "Prepare the data as the script's README says, and run gonogo check in the folder in which the script works.",
    ),
    _known(
        r"Torch not compiled with CUDA|No CUDA GPUs are available|Found no NVIDIA driver|CUDA driver version",
        "it uses CUDA in a way that cannot be redirected ({shown})",
        "Say so to gonogo's authors with the script's line; until then, a machine with a GPU shows it.",
    ),
)  # fmt: skip


def explain(facts: PassFacts) -> EarlyEnd | None:
    """Why it saw too little; None: it ended as it should have, or its time was over only after its first step."""
    if facts.error is not None:
        return _failed(facts, facts.error)
    if facts.ending == "asks":
        question = f'"{clean(facts.question)}"' if facts.question else "on its standard input"
        return EarlyEnd(
            f"it asks a question ({question}), and nobody answers in a check",
            "Give the answer as an argument or in the environment, and leave breakpoint() out.",
        )
    if facts.ending == "out_of_memory":
        used = gigabytes(facts.peak_bytes)
        return EarlyEnd(f"it is out of memory on this machine: it had {used} when it was stopped", SMALLER)
    if facts.ending == "killed":
        return _killed(facts)
    return None if facts.steps else _without_a_step(facts)


def _without_a_step(facts: PassFacts) -> EarlyEnd | None:
    if facts.ending == "out_of_time":
        return EarlyEnd(
            f"it reached no training step in {facts.seconds:.0f} s{_said(facts)}",
            "Give more time by --minutes, or less to do by --rehearse-with or the script's own arguments.",
        )
    return _never_trained(facts) if facts.ending == "script_ended" else None


def _failed(facts: PassFacts, error: ScriptError) -> EarlyEnd | None:
    shown = clean(f"{error.name}: {error.message}" if error.message else error.name)[:LONGEST]
    where = f" at {error.where}" if error.where else ""
    if error.ours:
        return EarlyEnd(f"gonogo itself failed while it watched the script ({shown})", REPORT)
    if error.name == "SystemExit":
        return _left(facts, error)
    if error.name in {"SyntaxError", "IndentationError", "TabError"}:
        return EarlyEnd(f"{error.where or 'a file'} is not valid Python ({shown})", NOT_PYTHON)
    code = [line for line in error.lines[:-1] if line.strip(" ^~")][-1:]
    for known in KNOWN:
        if match := known.pattern.search("\n".join([f"{error.name}: {error.message}", *code])):
            named = {**match.groupdict(), "shown": shown + where}
            return EarlyEnd(known.why.format(**named), known.hint)
    return EarlyEnd(
        f"it ended with {shown}{where}", "Run it by itself with the same arguments: does it fail there too?"
    )


def _left(facts: PassFacts, error: ScriptError) -> EarlyEnd:
    """By sys.exit, or by argparse and its like, which say on the terminal what is missing."""
    if error.message == str(ARGUMENTS) and any(USAGE.match(line) for line in facts.printed):
        said = [match for line in facts.printed if (match := REFUSAL.search(line))]
        what = clean(next(group for group in said[-1].groups() if group)) if said else "see its --help"
        return EarlyEnd(f"it needs other arguments: {what}", ARGUMENTS_HINT)
    code = f"exit code {error.message}{_said(facts)}" if error.message.isdigit() else clean(error.message)[:LONGEST]
    return EarlyEnd(f"it ended itself: {code}", "Run it by itself with the same arguments: does it end there too?")


def _killed(facts: PassFacts) -> EarlyEnd:
    if facts.exit_code == -signal.SIGKILL:
        return EarlyEnd("its process was killed by the system, most likely for want of memory",
                     SMALLER)  # fmt: skip
    if facts.exit_code < 0:
        name = signal.Signals(-facts.exit_code).name
        return EarlyEnd(f"its process crashed below Python ({name}){_said(facts)}",
                     "Run it by itself with `python -X faulthandler`: which library is it?")  # fmt: skip
    return EarlyEnd(f"its process ended without a word, exit code {facts.exit_code}{_said(facts)}",
                 "Run it by itself with the same arguments.")  # fmt: skip


def _never_trained(facts: PassFacts) -> EarlyEnd:
    if facts.started:
        others = ", ".join(facts.started[:3])
        return EarlyEnd(
            f"it made no training step itself: it started other processes ({others}), which are not watched",
            "Check the command that trains: gonogo check -- python WORKER.py ….",
        )
    return EarlyEnd(
        f"it ended without a training step{_said(facts)}",
        "Is this the script that trains, and with the arguments that make it train? An error that it catches itself "
        "may be the reason: run it by itself.",
    )


def _said(facts: PassFacts) -> str:
    last = next((clean(line) for line in reversed(facts.printed) if clean(line)), "")
    return f'; the last that it said: "{last[:LONGEST]}"' if last else ""
