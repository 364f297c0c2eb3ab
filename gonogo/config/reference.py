"""config/schema.json and the tables of config/README.md, generated from the models.

`python -m gonogo.config.reference` writes the tables, with `--check` compares them, with `--schema` prints the schema.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticUndefined

from gonogo.base.files import write_text
from gonogo.base.models import is_model
from gonogo.config.accelerator import Accelerator
from gonogo.config.command import Command
from gonogo.config.expected import Expected
from gonogo.config.experiment import (
    ExperimentConfig,
    ModeConfig,
    Smoke,
    Training,
)
from gonogo.config.gate_thresholds import Gates
from gonogo.config.sweep import Halving, Sweep
from gonogo.config.target import Embedded, Release, Slurm, Ssh, Target
from gonogo.config.workflow import Config
from gonogo.verdict import Override

START, END = "<!-- keys: made by `make schema` -->", "<!-- end of keys -->"
SECTIONS: list[tuple[str, str, type[BaseModel]]] = [
    ("config/config.yaml", "", Config),
    ("`overrides`, each", "overrides[].", Override),
    ("config/experiments/NAME.yaml", "", ExperimentConfig),
    ("`command`", "command.", Command),
    ("`training`, and what a mode merges over it", "training.", Training),
    ("`modes`, each", "modes.NAME.", ModeConfig),
    ("`smoke`", "smoke.", Smoke),
    ("`expected`", "expected.", Expected),
    ("`sweep`", "sweep.", Sweep),
    ("`sweep.halving`", "sweep.halving.", Halving),
    ("config/targets/NAME.yaml", "", Target),
    ("`connection` of kind embedded", "connection.", Embedded),
    ("`connection` of kind ssh", "connection.", Ssh),
    ("`connection` of kind slurm", "connection.", Slurm),
    ("`release`", "release.", Release),
    ("config/accelerators.yaml, each", "NAME.", Accelerator),
]


def tables() -> str:
    """Markdown tables of every key."""
    gates = [
        section
        for name, field in Gates.model_fields.items()
        for section in _sections(f"gates.{name}", field.annotation)
    ]
    parts = [_table(title, prefix, model) for title, prefix, model in [*SECTIONS, *gates] if model is not None]
    return "\n\n".join(parts)


def _sections(key: str, model: Any) -> list[tuple[str, str, Any]]:
    """A block of thresholds, and the blocks within it; those of another gate are described there."""
    if issubclass(model, RootModel):
        return [(f"`{key}`, each", f"{key}.METRIC.", get_args(model.model_fields["root"].annotation)[1])]
    inner = [
        section
        for name, field in model.model_fields.items()
        if is_model(field.annotation)
        and field.annotation not in {gate.annotation for gate in Gates.model_fields.values()}
        for section in _sections(f"{key}.{name}", field.annotation)
    ]
    return [(f"`{key}`", f"{key}.", model), *inner]


def _table(title: str, prefix: str, model: Any) -> str:
    rows = [
        f"### {title}",
        "",
        " ".join((model.__doc__ or "").split()),
        "",
        "| key | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in model.model_fields.items():
        meaning = (field.description or _one_line(field.annotation)).replace("|", "\\|")
        rows.append(f"| `{prefix}{field.alias or name}` | {_default(field)} | {meaning} |")
    return "\n".join(rows)


def _default(field: Any) -> str:
    if field.default_factory is not None:
        return "empty" if not field.default_factory() else "one: `validate`"
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{field.default if field.default is not None else 'null'}`"


def _one_line(annotation: Any) -> str:
    """The first sentence of a nested model's docstring, or the allowed values."""
    if is_model(annotation):
        return (annotation.__doc__ or "").strip().split("\n")[0]
    values = [value for value in get_args(annotation) if isinstance(value, str)]
    return "one of " + ", ".join(f"`{value}`" for value in values) if values else ""


def written_into(text: str) -> str:
    """`text` with the tables between the markers generated again."""
    before, after = text.split(START, maxsplit=1)[0], text.split(END)[1]
    return f"{before}{START}\n\n{tables()}\n\n{END}{after}"


def schema() -> dict[str, Any]:
    """One JSON schema for all config files, for editors: `$defs` holds ExperimentConfig, Target and Accelerator."""
    top = Config.model_json_schema()
    for model in (ExperimentConfig, Target, Accelerator):
        part = model.model_json_schema()
        top["$defs"].update(part.pop("$defs", {}))
        top["$defs"][model.__name__] = part
    return top


if __name__ == "__main__":
    if "--schema" in sys.argv:
        print(json.dumps(schema(), indent=2))
        sys.exit()
    readme = Path("config/README.md")
    fresh = written_into(readme.read_text())
    if "--check" in sys.argv:
        sys.exit(0 if fresh == readme.read_text() else f"{readme} is out of date: run `make schema`")
    write_text(readme, fresh)
