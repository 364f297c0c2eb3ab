"""The words after `--` of `gonogo check`: which Python program they run, with what arguments and environment."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.script import launchers
from gonogo.script.request import ScriptCommand

PYTHON = re.compile(r"(python|pypy)[\d.]*(\.exe)?$")
SHELLS = {"bash", "sh", "zsh", "dash", "ksh", "fish"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
# words before a command that change nothing in the program, and their options that take a value
PREFIXES = {"nohup": "", "time": "", "exec": "", "nice": "n", "ionice": "cn", "stdbuf": "ioe", "setsid": ""}
RUNNERS = ("uv", "poetry", "pipenv", "pixi", "rye", "hatch", "pdm")  # `uv run WORDS`
OPTIONS_WITH_VALUE = "XWmc"  # of python; the value may follow in the same word
KEPT_OPTIONS = "XWBOu"  # what the script may depend on; -I or -S would hide gonogo from its own child
EXAMPLE = "gonogo check -- python train.py --batch-size 32"


def read_command(words: list[str], folder: Path) -> ScriptCommand:
    """What these words run, as Python's runpy can run it.

    Args:
        folder: working directory of the script.

    Raises:
        UserError: it is no Python program that can be watched; one sentence says what to write.
    """
    if not words:
        raise UserError(f"gonogo check needs the command that trains, after two dashes: {EXAMPLE}")
    environment, rest = _without_prefixes(list(words))
    if not rest:
        raise UserError(f"`{shlex.join(words)}` names no program to run; write the whole command: {EXAMPLE}")
    command = _program(rest, folder)
    command.words = list(words)
    command.environment = {**environment, **command.environment}
    return command


def _without_prefixes(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """`env A=B nice -n 5 python x.py` → ({A: B}, [python, x.py])."""
    environment: dict[str, str] = {}
    while words:
        first = words[0]
        name = Path(first).name
        if ASSIGNMENT.match(first):
            key, _, value = first.partition("=")
            environment[key] = value
            words = words[1:]
        elif name == "env" or name in PREFIXES:
            words = _after_options(words[1:], "uCS" if name == "env" else PREFIXES[name])
        elif name in RUNNERS and words[1:2] == ["run"]:
            words = words[2:]
        else:
            break
    return environment, words


def _after_options(words: list[str], with_value: str) -> list[str]:
    while words and words[0].startswith("-"):
        takes = len(words[0]) == 2 and words[0][1] in with_value
        words = words[2 if takes else 1 :]
    return words


def _program(words: list[str], folder: Path) -> ScriptCommand:
    first, rest = words[0], words[1:]
    name = Path(first).name
    if PYTHON.fullmatch(name):
        return _python(first, rest, folder)
    if launched := launchers.read_launcher(words, folder):
        return script_of(launched, folder)
    if name in SHELLS:
        raise _shell_script(next((word for word in rest if not word.startswith("-")), ""), folder)
    file = folder / first
    if file.is_file():
        return _file(first, file, rest, folder)
    if (found := shutil.which(first)) and _is_python(Path(found)):
        _same_interpreter(_shebang(Path(found)))
        return ScriptCommand(words=words, path=found, arguments=rest)
    raise _not_python(words, found)


def _python(interpreter: str, words: list[str], folder: Path) -> ScriptCommand:
    """`python [options] FILE|-m MODULE arguments`."""
    _same_interpreter(str(folder / interpreter) if "/" in interpreter else interpreter)
    kept: list[str] = []
    while words and words[0].startswith("-"):
        word, words = words[0], words[1:]
        if word in {"-", "-c"} or word.startswith("-c"):
            raise UserError(f"`{interpreter} {word}` runs code that is in no file; put it into train.py: {EXAMPLE}")
        if word.startswith("--"):
            words = words[1:] if word == "--check-hash-based-pycs" else words
            continue
        for index, letter in enumerate(word[1:], 1):
            if letter not in OPTIONS_WITH_VALUE:
                kept += [f"-{letter}"] if letter in KEPT_OPTIONS else []
                continue
            value = word[index + 1 :] or (words[0] if words else "")
            words = words if word[index + 1 :] else words[1:]
            if letter == "m":
                command = _module(value, words, folder)
                command.interpreter_options = kept
                return command
            kept += [f"-{letter}", value]
            break
    if not words:
        raise UserError(f"`{interpreter}` without a script starts a prompt; name the script: {EXAMPLE}")
    command = _file(words[0], folder / words[0], words[1:], folder)
    command.interpreter_options = kept
    return command


def _module(name: str, arguments: list[str], folder: Path) -> ScriptCommand:
    if launched := launchers.read_module_launcher(name, arguments, folder):
        return script_of(launched, folder)
    top = name.partition(".")[0]
    here = (folder / top).is_dir() or (folder / f"{top}.py").is_file()
    if not name or not (here or importlib.util.find_spec(top)):
        raise UserError(
            f"python -m {name}: no module named {top} in {folder} or among the installed packages; "
            "run gonogo check in the folder in which the command works"
        )
    return ScriptCommand(words=[], module=name, arguments=arguments)


def script_of(launched: ScriptCommand, folder: Path) -> ScriptCommand:
    """A launcher's command, once the script that it starts is known to be there."""
    one = (
        _module(launched.module, launched.arguments, folder)
        if launched.module
        else _file(launched.path, folder / launched.path, launched.arguments, folder)
    )
    return launched.model_copy(update={"path": one.path, "module": one.module})


def _file(word: str, file: Path, arguments: list[str], folder: Path) -> ScriptCommand:
    if file.is_dir() and not (file / "__main__.py").is_file():
        raise UserError(f"{word}: a folder without __main__.py; name the script in it that trains")
    if not file.exists():
        raise UserError(f"{word}: no such script in {folder}{_elsewhere(word, folder)}")
    if file.is_file() and (file.suffix in {".sh", ".bash"} or _shebang(file).rpartition("/")[2] in SHELLS):
        raise _shell_script(word, folder)
    if file.suffix == ".ipynb":
        raise UserError(f"{word}: a notebook; save its code as a script: jupyter nbconvert --to script {word}")
    return ScriptCommand(words=[], path=word, arguments=arguments)


def _elsewhere(word: str, folder: Path) -> str:
    """Where a file of this name lies instead."""
    name = Path(word).name
    found = [path for path in (folder.parent / name, *sorted(folder.glob(f"*/{name}"))) if path.is_file()]
    if not found:
        return "; run gonogo check in the folder in which the command works"
    where = found[0].parent
    return f"; {found[0]} exists: run gonogo check in {where}, or name the script by its path"


def _shebang(file: Path) -> str:
    """The interpreter that a script names in its first line, without `env`; empty: none."""
    with file.open("rb") as stream:
        first = stream.readline(500).decode(errors="replace").strip()
        second = stream.readline(500).decode(errors="replace").strip()
    if not first.startswith("#!"):
        return ""
    if second.startswith("'''exec' "):  # pip writes this where the interpreter's path is too long for a shebang
        return shlex.split(second[len("'''exec' ") :])[0]
    words = first[2:].split()
    words = words[1:] if words and words[0].endswith("/env") else words
    return next((word for word in words if not word.startswith("-")), "")


def _is_python(file: Path) -> bool:
    return bool(PYTHON.fullmatch(Path(_shebang(file)).name))


def _same_interpreter(interpreter: str) -> None:
    """Nothing, where this interpreter has the packages of the one that runs gonogo.

    Raises:
        UserError: it has others.
    """
    found = shutil.which(interpreter)
    if found is None:
        if interpreter in {"python", "python3"}:
            return  # an environment that is not activated has gonogo's own
        raise UserError(f"{interpreter}: no such interpreter; gonogo runs the script under {sys.executable}")
    if Path(found) == Path(sys.executable):
        return
    asked = subprocess.run(
        [found, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=False, timeout=30
    ).stdout.strip()
    if not asked or Path(asked).resolve() != Path(sys.prefix).resolve():
        raise UserError(
            f"{interpreter} is {found}, and gonogo is installed under {sys.prefix}, where the script's packages may "
            f"be missing or others: install it there ({found} -m pip install gonogo) and run that one: "
            f"{found} -m gonogo check -- …"
        )


def _shell_script(word: str, folder: Path) -> UserError:
    """A shell script, with the command in it that can be watched."""
    file = folder / word
    if not word or not file.is_file():
        return UserError(f"{word or 'a shell'}: no such script in {folder}; name the Python command: {EXAMPLE}")
    text = re.sub(r"\s*\\\r?\n\s*", " ", file.read_text(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    found = [line for line in lines if _python_words(line)]
    say = f"{word} is a shell script, and gonogo checks one Python command"
    if len(found) != 1:
        return UserError(f"{say}; it has {len(found) or 'none'} of them, so name the one that trains: {EXAMPLE}")
    filled = ", with its variables filled in" if "$" in found[0] else ""
    return UserError(f"{say}; write the one in it{filled}: gonogo check -- {found[0]}")


def _python_words(line: str) -> list[str]:
    """The words of a shell line from the first that starts a Python program; empty: none."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return []
    for index, word in enumerate(words):
        name = Path(word).name
        if PYTHON.fullmatch(name) or name in launchers.NAMES:
            return words[index:]
    return []


def _not_python(words: list[str], found: str | None) -> UserError:
    what = f"{words[0]} is no Python program" if found else f"{words[0]}: no such program or script"
    if inner := _python_words(shlex.join(words[1:])):
        return UserError(f"{what}; leave it out: gonogo check -- {shlex.join(inner)}")
    return UserError(f"{what}; write the Python command that it runs: {EXAMPLE}")
