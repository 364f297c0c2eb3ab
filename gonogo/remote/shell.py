"""Command lines that every login shell reads alike: sh, bash, zsh and dash, but also fish and tcsh."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

# within single quotes tcsh reads newlines and `!`, fish backslashes; the rest would end the inner quotes or printf's
READ_BY_SHELLS = frozenset("'\"\\!$`%\n")


def command_line(argv: Sequence[str], cwd: str = "") -> str:
    """What replaces the login shell by this program, run in `cwd` where one is given.

    The login shell sees one plain word: a script for `sh` in which what shells read differently is in octal.
    """
    script = "exec " + shlex.join(argv)
    if cwd:
        script = f"cd {shlex.quote(cwd)} && {script}"
    octal = "".join(
        f"\\{byte:03o}" if byte > 126 or chr(byte) in READ_BY_SHELLS else chr(byte) for byte in script.encode()
    )
    return f"""exec /bin/sh -c 'eval "$(printf "{octal}")"'"""
