#!/usr/bin/env python3
"""Stands in for conda: an environment is a virtual one with this interpreter's libraries, and says when it is used.

Nothing is downloaded, so the pins of an environment's file are not what is installed; that they can be is for pip.
"""

from __future__ import annotations

import itertools
import json
import sys
import sysconfig
import venv
from pathlib import Path

import yaml

BASE = Path(__file__).resolve().parent.parent  # PREFIX/bin/conda
SAYS_SO = "import os, sys; open(os.path.join(sys.prefix, 'used'), 'a').write(' '.join(sys.orig_argv) + '\\n')\n"


def create(prefix: Path, file: Path) -> None:
    """An environment of what the file asks for, if pip could read it."""
    asked = yaml.safe_load(file.read_text())
    (pip,) = [one["pip"] for one in asked["dependencies"] if isinstance(one, dict)]
    assert "pip" in asked["dependencies"] and all("==" in line for line in pip)
    venv.create(prefix, with_pip=False)
    packages = next(prefix.glob("lib/python*/site-packages"))
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    (packages / "sitecustomize.py").write_text(SAYS_SO)


def main(words: list[str]) -> None:
    if words == ["--version"]:
        print("conda 25.1.0")
    elif words[0] == "info":
        print(json.dumps({"conda_prefix": str(BASE), "platform": "linux-64"}))
    elif words[0] == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif words[:2] == ["env", "list"]:
        print(json.dumps({"envs": [str(path) for path in (BASE / "envs").glob("*")]}))
    elif words[:2] == ["env", "create"]:
        options = dict(itertools.pairwise(words))
        prefix = Path(options.get("--prefix") or options.get("-p") or BASE / "envs" / options["--name"])
        create(prefix, Path(options.get("--file") or options["-f"]))
    elif words[0] != "clean":
        sys.exit(f"no such command: {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
