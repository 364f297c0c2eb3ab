"""Whether a training script takes the flags that its command line gives it, read from its source; it is never run.

Only where the source leaves no doubt: one argparse parser, in the script's own file, whose options are literals.
"""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

GROUPS = ("add_argument_group", "add_mutually_exclusive_group")
HARMLESS = (*GROUPS, "add_argument", "parse_args", "set_defaults", "print_help", "print_usage", "error", "exit")
PARSER_KEYS = {"description", "prog", "epilog", "formatter_class", "usage", "allow_abbrev", "add_help"}


@dataclass(frozen=True)
class ScriptFlags:
    """What a script takes."""

    names: frozenset[str]
    abbreviated: bool  # whether the beginning of a name is enough

    def takes(self, flag: str) -> bool:
        if flag in self.names:
            return True
        if flag.startswith("--"):
            return self.abbreviated and any(name.startswith(flag) for name in self.names)
        return flag[:2] in self.names  # `-b32`


def unknown_flags(line: str, root: Path) -> list[str] | None:
    """What is wrong with each flag of a command line that its script does not take; None: its source does not tell."""
    words = shlex.split(line)
    place = next((index for index, word in enumerate(words) if word.endswith(".py")), None)
    if place is None or not (root / words[place]).is_file():
        return None
    taken = flags_of((root / words[place]).read_text(errors="replace"))
    if taken is None:
        return None
    return [_said(flag, taken, words[place]) for flag in _flags_in(words[place + 1 :]) if not taken.takes(flag)]


def _flags_in(words: list[str]) -> Iterator[str]:
    for word in words:
        if word == "--":
            return
        if word.startswith("-") and len(word) > 1 and not word[1].isdigit() and word[1] != ".":
            yield word.partition("=")[0]


def _said(flag: str, taken: ScriptFlags, script: str) -> str:
    near = get_close_matches(flag, sorted(taken.names), n=1)
    return f"{script} takes no {flag}" + (f"; it takes {near[0]}" if near else "")


def flags_of(source: str) -> ScriptFlags | None:
    """None: what the script takes cannot be told without running it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "ArgumentParser"]
    if len(made) != 1 or not {keyword.arg for keyword in made[0].keywords} <= PARSER_KEYS:
        return None
    parsers = _assigned(tree, made)
    groups = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in GROUPS]
    names = parsers | _assigned(tree, groups)
    if not parsers or not _only_declares(tree, names):
        return None
    given = {keyword.arg: keyword.value for keyword in made[0].keywords}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "add_argument"]
    declared = [_names_of(call) for call in calls]
    if any(one is None for one in declared):
        return None
    found = {name for one in declared for name in one or ()} | {"-h", "--help"}
    return ScriptFlags(frozenset(found), not _is_false(given.get("allow_abbrev")))


def _called(call: ast.Call) -> str:
    function = call.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _assigned(tree: ast.AST, calls: list[ast.Call]) -> set[str]:
    """Names that hold what these calls return."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.value in calls
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _only_declares(tree: ast.AST, names: set[str]) -> bool:
    """Whether parser and groups are handed to nobody, and the words that are parsed are those of the command line."""
    owned = {
        id(node.value): node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    if any(use.id in names and owned.get(id(use)) not in HARMLESS for use in uses):
        return False
    parsed = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) == "parse_args"]
    touched = any(
        isinstance(node, ast.Attribute) and node.attr in ("argv", "parse_known_args") for node in ast.walk(tree)
    )
    return bool(parsed) and not touched and not any(call.args or call.keywords for call in parsed)


def _names_of(call: ast.Call) -> list[str] | None:
    """The flags that one declaration makes; none for a positional; None where only running it would tell."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in given or not call.args:
        return None
    names = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    action, nargs = ast.dump(given.get("action", ast.Pass())), ast.dump(given.get("nargs", ast.Pass()))
    if len(names) != len(call.args) or "REMAINDER" in nargs or "'...'" in nargs:
        return None
    if "BooleanOptionalAction" in action:
        names += [f"--no-{name[2:]}" for name in names if name.startswith("--")]
    return [name for name in names if name.startswith("-")]


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
