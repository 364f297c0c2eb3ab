"""The agent as one file, `agent.pyz`: the same bytes for the same sources, so that two of them can be compared."""

from __future__ import annotations

import functools
import io
import zipfile
import zlib
from pathlib import Path

from gonogo import agent

NAME = "agent.pyz"
PACKAGE = "gonogo_agent"  # its name in the archive, which no installed package has
# Python's own importer compiles each module of an archive twice, the first time for its file's name
IMPORTER = """
import sys, zipimport
class Importer(zipimport.zipimporter):
    def get_filename(self, name):
        return self.archive + "/" + name.replace(".", "/") + ("/__init__.py" if self.is_package(name) else ".py")
sys.path_hooks.insert(0, Importer)
sys.path_importer_cache.pop(sys.path[0], None)
"""
MAIN = f"{IMPORTER}from {PACKAGE}.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold
# Starts Python while there is nothing to do yet; then a line says how many bytes of the agent's archive follow,
# compressed (0: the one that is there is right), puts it into the root where it is another, and becomes it.
BOOTSTRAP = f"""
import os, sys, zlib
import argparse, contextlib, fcntl, hashlib, json, pathlib, shutil, typing, zipimport
def read(size):
    data = os.read(0, size)
    if not data:
        sys.exit("the connection ended before the agent could start")
    return data
root, name = sys.argv[1:3]
line, text = b"", b""
while line[-1:] != b"\\n":
    line += read(1)
while len(text) < int(line):
    text += read(int(line) - len(text))
try:
    if root and not os.path.isdir(root):
        os.makedirs(root)
        os.chmod(root, 0o700)
    os.chdir(root or ".")
    text = zlib.decompress(text) if text else open(name, "rb").read()
    if not os.path.exists(name) or open(name, "rb").read() != text:
        temporary = ".%s.%d" % (name, os.getpid())
        with open(temporary, "wb") as out:
            out.write(text)
        os.replace(temporary, name)
        os.environ["GONOGO_AGENT_IS_NEW"] = "1"
except OSError as error:
    sys.exit("%s: %s" % (error.filename, error.strerror))
sys.path[0] = os.path.abspath(name)
{IMPORTER}
from {PACKAGE}.__main__ import main
sys.exit(main(sys.argv[3:]))
"""


@functools.cache
def archive() -> bytes:
    """The archive, which `python3 agent.pyz COMMAND …` runs; its members are stored, for it travels compressed."""
    sources = {f"{PACKAGE}/{path.name}": path.read_bytes() for path in Path(agent.__file__).parent.glob("*.py")}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
        for name, text in sorted({**sources, "__main__.py": MAIN.encode()}.items()):
            member = zipfile.ZipInfo(name, TIMESTAMP)
            member.create_system, member.external_attr = 3, 0o644 << 16
            packed.writestr(member, text)
    return out.getvalue()


@functools.cache
def compressed() -> bytes:
    """The archive as BOOTSTRAP expects it."""
    return zlib.compress(archive())
