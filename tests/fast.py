"""Which tests `make test-fast` runs: those that need neither torch nor SSH, found without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAST = [
    "base", "cli", "config", "forecast", "gates", "notify", "report", "runtime", "stages", "learning",
    "memory/test_judge.py", "memory/test_plan.py", "memory/test_overheads.py", "quality/test_acceptance.py",
    "quality/test_table.py", "test_distribution.py", "test_docs.py", "test_fast.py", "test_house.py", "test_tables.py",
    "test_verdict.py",
]  # fmt: skip
STARTS_LONG_PROCESSES = [  # torch, snakemake, or waits of seconds
    "base/test_lease.py", "cli/test_init.py", "cli/test_plan.py", "report/test_curves.py",
]  # fmt: skip
HEAVY = {"torch", "lightning", "torchmetrics", "matplotlib", "paramiko", "fabric", "asyncssh", "boto3", "moto"}


def is_fast(path: Path) -> bool:
    """Whether the file is among the fast ones and neither it nor what it imports imports a heavy library; or the folder
    holds such files."""
    name = path.relative_to(ROOT / "tests").as_posix()
    if path.is_dir():
        fixtures = path / "conftest.py"
        return any(f"{fast}/".startswith(f"{name}/") for fast in FAST) and not (
            fixtures.exists() and imports_heavy(fixtures)
        )
    named = any(name == fast or name.startswith(f"{fast}/") for fast in FAST)
    return named and name not in STARTS_LONG_PROCESSES and not imports_heavy(path)


def imports_heavy(path: Path) -> bool:
    """Whether importing this file of the repository imports a heavy library."""
    seen, waiting = {path}, [path]
    while waiting:
        for module in imports_of(waiting.pop()):
            if module.split(".")[0] in HEAVY:
                return True
            file = ROOT / module.replace(".", "/")
            new = {one for one in (file.with_suffix(".py"), file / "__init__.py") if one.is_file()} - seen
            seen |= new
            waiting += new
    return False


@cache
def imports_of(path: Path) -> list[str]:
    """Modules that a file imports when it is imported."""
    return list(_imported(ast.parse(path.read_text()).body))


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """Modules that are imported when the file is; a name of `gonogo` itself brings the module that defines it."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "gonogo":
            yield from (f"gonogo.{name.name}" for name in node.names)
            yield from ["torch"] if any(name.name[0].isupper() for name in node.names) else []
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Try) or (isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test)):
            yield from _imported(node.body)
