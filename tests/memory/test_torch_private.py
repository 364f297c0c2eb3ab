"""A torch without a private name that the trace needs is one clear sentence, wherever the name is looked up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from gonogo.base.errors import UserError
from gonogo.memory import torch_private
from gonogo.memory.torch_private import TESTED
from tests.waiting import LIMIT_S

REMOVED = ["torch._C._select_conv_backend", "torch._subclasses.fake_tensor.FakeTensorMode", "torch._decomp.meta_table"]


@pytest.mark.parametrize("removed", REMOVED)
def test_a_torch_that_lacks_a_name_is_refused_with_the_versions_that_have_it(removed: str, root: Path) -> None:
    name = removed.rsplit(".", maxsplit=1)[-1]
    program = f"""
import torch, torch._decomp, torch._subclasses.fake_tensor
del {removed}
from gonogo.base.errors import UserError
try:
    import gonogo.memory.trace
except UserError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True, timeout=LIMIT_S
    ).stdout
    assert told.count("\n") == 1 and name in told and f"torch {torch.__version__}" in told
    assert f"works with torch {TESTED[0]} to {TESTED[-1]}" in told and f"pip install 'torch=={TESTED[-1]}.*'" in told


def test_a_build_without_a_function_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"_nowhere in libtorch_cpu.*the trace works with torch"):
        torch_private.symbol("torch_cpu", "_nowhere")
    with pytest.raises(UserError, match="library abacus in"):
        torch_private.symbol("abacus", "_nowhere")


def test_the_trace_reports_it_as_what_it_could_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from gonogo.memory.fake_gpu import hooks_table
    from tests.memory.steps import dense

    monkeypatch.setattr(torch_private, "HOOKS", "_nowhere")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    from gonogo.memory.trace import trace_step

    found = trace_step(dense(lambda: torch.nn.Linear(2, 2), 1, 2))
    assert found.events is None and found.error.startswith(f"torch {torch.__version__}: a private name")
    with pytest.raises(UserError):
        hooks_table()


def test_the_minor_versions_that_the_error_names_are_those_that_are_installed(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    (torch_pin,) = [line for line in project["dependencies"] if re.match(r"torch\W", line)]
    first, last = (tuple(map(int, minor.split("."))) for minor in (TESTED[0], TESTED[-1]))
    assert torch_pin == f"torch>={first[0]}.{first[1]},<{last[0]}.{last[1] + 1}"
    assert torch.__version__.startswith(TESTED)


def test_no_other_module_of_the_room_reaches_into_torch(root: Path) -> None:
    reached = []
    for file in sorted((root / "gonogo/memory").glob("*.py")):
        if file.name == "torch_private.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            if isinstance(node, ast.Attribute):
                names = [ast.unparse(node)]
            reached += [f"{file.name}: {name}" for name in names if re.match(r"torch\.(?!ops\b)(\w+\.)*_\w", name)]
    assert reached == []
