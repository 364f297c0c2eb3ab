"""Options of a script's command line, read from its source: argparse, click and typer-like declarations; never run."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

FLAGS = ("store_true", "store_false", "count", "help", "version")
DECLARATIONS = ("add_argument", "option", "argument", "add_arg")


@dataclass(frozen=True)
class Option:
    """One that takes a value."""

    flag: str  # as it is typed, `--batch-size`; empty for a positional one
    name: str  # `batch_size`
    default: Any = None  # where the source says it as a literal
    many: bool = False  # it takes several words
    required: bool = False


def options_of(source: str) -> list[Option]:
    """In their order; nothing where the source cannot be parsed or declares its options elsewhere."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    found = [_option(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return list({option.name: option for option in found if option is not None}.values())


def _option(call: ast.Call) -> Option | None:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in DECLARATIONS:
        return None
    names = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    given = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
    if not names or given.get("action") in FLAGS or given.get("is_flag") or given.get("action") == _NOT_LITERAL:
        return None
    long = next((name for name in names if name.startswith("--")), names[0])
    name = long.lstrip("-").replace("-", "_")
    default = given.get("default")
    return Option(
        flag=long if long.startswith("-") else "",
        name=name,
        default=None if default is _NOT_LITERAL else default,
        many=given.get("nargs") in ("+", "*"),
        required=(not long.startswith("-") and given.get("nargs") not in ("?", "*")) or given.get("required") is True,
    )


class _NotLiteral:
    """A value that only running the script would show."""


_NOT_LITERAL = _NotLiteral()


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return _NOT_LITERAL
