"""Runs a script as `python train.py` or `python -m package.train` would, in this process."""

from __future__ import annotations

import importlib.machinery
import io
import runpy
import sys
import types
from pathlib import Path

from gonogo.script.request import ScriptCommand


def start(command: ScriptCommand) -> None:
    """Run it to its end; whatever it raises is raised."""
    if command.module:
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = [command.module, *command.arguments]  # runpy puts the file's path there
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
        return
    sys.argv = [command.path, *command.arguments]
    file = Path(command.path).absolute()
    if file.is_dir():
        runpy.run_path(str(file), run_name="__main__")
        return
    sys.path.insert(0, str(file.resolve().parent))
    with io.open_code(str(file)) as stream:
        code = compile(stream.read(), str(file), "exec")
    main = types.ModuleType("__main__")
    main.__file__ = str(file)
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", str(file))
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    exec(code, main.__dict__)
