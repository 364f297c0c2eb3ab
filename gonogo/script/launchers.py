"""torchrun, accelerate launch, deepspeed, fabric: the script that each starts, how often, and its environment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.script.request import ScriptCommand

NAMES = {"torchrun", "accelerate", "accelerate-launch", "deepspeed", "fabric", "lightning"}
MODULES = {
    "torch.distributed.run": "torchrun",
    "torch.distributed.launch": "torchrun",
    "accelerate.commands.launch": "accelerate-launch",
    "deepspeed.launcher.runner": "deepspeed",
}
# options of each launcher that take no value; any other takes one
FLAGS = {
    "torchrun": {"standalone", "module", "m", "no-python", "run-path", "use-env", "virtual-local-rank", "h", "help"},
    "deepspeed": {"module", "no-python", "no-local-rank", "no-ssh", "force-multi", "enable-each-rank-log", "h", "help"},
    "fabric": {"h", "help"},
}


def read_launcher(words: list[str], folder: Path) -> ScriptCommand | None:
    """The command that a launcher starts; None: the first word is no launcher.

    Raises:
        UserError: it starts no Python script, or cannot be read.
    """
    name, rest = Path(words[0]).name, words[1:]
    if name == "accelerate":
        rest, name = _after(rest, "accelerate", "launch"), "accelerate-launch"
    if name == "lightning":
        rest, name = _after(rest, "lightning", "run"), "fabric"
        rest = ["run", *_after(rest, "lightning run", "model")]
    if name == "accelerate-launch":
        return _accelerate(rest, folder)
    if name == "fabric":
        return _fabric(_after(rest, "fabric", "run"))
    return {"torchrun": _torchrun, "deepspeed": _deepspeed}[name](rest) if name in {"torchrun", "deepspeed"} else None


def read_module_launcher(module: str, arguments: list[str], folder: Path) -> ScriptCommand | None:
    """The same for `python -m MODULE arguments`."""
    launcher = MODULES.get(module)
    command = read_launcher([launcher, *arguments], folder) if launcher else None
    if command and module == "torch.distributed.launch" and "--use_env" not in arguments:
        command.arguments = ["--local_rank=0", *command.arguments]
    return command


def _after(words: list[str], program: str, verb: str) -> list[str]:
    if words[:1] != [verb]:
        raise UserError(f"`{program} {' '.join(words[:1])}` trains nothing; write `{program} {verb} … train.py`")
    return words[1:]


def _split(words: list[str], launcher: str) -> tuple[dict[str, str], str, list[str]]:
    """The launcher's own options, the script and its arguments."""
    options: dict[str, str] = {}
    while words and words[0].startswith("-"):
        name, equals, value = words[0].lstrip("-").replace("_", "-").partition("=")
        words = words[1:]
        if name in FLAGS[launcher]:
            value = "yes"
        elif not equals and words:
            value, words = words[0], words[1:]
        options[name] = value
    if not words:
        raise UserError(f"`{launcher}` without a script; name it: gonogo check -- {launcher} … train.py")
    if options.get("no-python"):
        raise UserError(f"`{launcher} --no-python` may run any program; leave the option out and name a Python script")
    return options, words[0], words[1:]


def _count(text: str) -> int:
    """`4`, `1:4` (at most four); 1 where the machine would be asked, as with `gpu` or `auto`."""
    last = text.rpartition(":")[2]
    return max(int(last), 1) if last.isdigit() else 1


def _torchrun(words: list[str]) -> ScriptCommand:
    options, script, arguments = _split(words, "torchrun")
    each = options.get("nproc-per-node", "1")
    command = _started("torchrun", script, arguments, bool(options.get("module") or options.get("m")))
    command.processes = _count(each) * _count(options.get("nnodes", "1"))
    if not each.isdigit():
        command.notes.append(f"--nproc_per_node {each}: one process is assumed")
    return command


def _deepspeed(words: list[str]) -> ScriptCommand:
    options, script, arguments = _split(words, "deepspeed")
    if not options.get("no-local-rank"):
        arguments = ["--local_rank=0", *arguments]
    command = _started("deepspeed", script, arguments, bool(options.get("module")))
    command.processes = _count(options.get("num-gpus", "1")) * _count(options.get("num-nodes", "1"))
    if "num-gpus" not in options:
        command.notes.append("deepspeed takes every card of the machine; one process is assumed")
    return command


def _fabric(words: list[str]) -> ScriptCommand:
    """`fabric run [options] script [options] [arguments]`; its options may stand on both sides of the script."""
    options, script, arguments = _split(words, "fabric")
    known = {"accelerator", "strategy", "devices", "num-nodes", "node-rank", "main-address", "main-port", "precision"}
    while arguments and arguments[0].startswith("--"):
        name, equals, value = arguments[0][2:].replace("_", "-").partition("=")
        if name not in known:
            break
        options[name] = value if equals else next(iter(arguments[1:]), "")
        arguments = arguments[1 if equals else 2 :]
    command = _started("fabric", script, arguments[1:] if arguments[:1] == ["--"] else arguments, False)
    nodes = options.get("num-nodes", "1")
    command.processes = _count(options.get("devices", "1")) * _count(nodes)
    command.environment = {"LT_CLI_USED": "1", "LT_DEVICES": options.get("devices", "1"), "LT_NUM_NODES": nodes}
    for name in ("accelerator", "strategy", "precision"):
        if name in options:
            command.environment[f"LT_{name.upper()}"] = options[name]
    return command


def _started(launcher: str, script: str, arguments: list[str], is_module: bool) -> ScriptCommand:
    return ScriptCommand(
        words=[], path="" if is_module else script, module=script if is_module else "",
        arguments=arguments, launcher=launcher,
    )  # fmt: skip


def _accelerate(words: list[str], folder: Path) -> ScriptCommand:
    """As accelerate itself reads them, with its configuration file: asked of it in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gonogo.script.accelerate_launch", *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode == 0 and last.startswith("{"):
        return ScriptCommand.model_validate(json.loads(last))
    problem = (done.stderr.strip().splitlines() or ["no message"])[-1].partition("error: ")
    raise UserError(f"accelerate launch cannot be read: {problem[2] or problem[0]}")
