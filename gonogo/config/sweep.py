"""`sweep:` of an experiment: variants of it, each an experiment of its own, from a grid, a list or a table."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, model_validator

from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged, nested
from gonogo.base.models import StrictModel
from gonogo.base.os_paths import LocalPath

NAME = "name"  # column of a table, key of a listed variant
NEVER = ("extends", "sweep", "starts_from")  # keys that every variant has from the file itself
MOST_VARIANTS = 1000
LONGEST_VALUE, LONGEST_NAME = 24, 80  # characters
UNSAFE = re.compile(r"[^\w.-]+")  # in the name of a folder, and in a shell


class Halving(StrictModel):
    """Which variants of a sweep are launched: the best after their smoke runs, all of as many steps."""

    keep: float = Field(0.5, gt=0, lt=1, description="share of the variants that passed their gates; one at least")


class Sweep(StrictModel):
    """Variants of the experiment: one of `over`, `variants` and `table`."""

    over: dict[str, Any] = Field(
        default_factory=dict, description="dotted key → list of its values; all combinations: a grid"
    )
    variants: list[dict[str, Any]] = Field(
        default_factory=list, description="each variant's dotted keys and values, with a `name` or without"
    )
    table: LocalPath | None = Field(
        None,
        description="CSV file with a column for each dotted key, or YAML file with a list of mappings, from the "
        "repository's root; a column `name` names the variants",
    )

    halving: Halving | None = Field(
        None, description="launch only the best by the smoke run's held-out skill; null: all that pass their gates"
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Sweep:
        given = [key for key in ("over", "variants", "table") if key in self.model_fields_set]
        if len(given) != 1:
            raise ValueError(
                f"give one of `over` (a grid), `variants` (a list) and `table` (a file), not {' and '.join(given)}"
                if given
                else "give `over` (a grid), `variants` (a list) or `table` (a file)"
            )
        return self


@dataclass(frozen=True)
class Variant:
    """One experiment of a sweep."""

    name: str  # of the experiment that it is
    values: Mapping[str, Any]  # by dotted key
    where: str  # file and place that say so, for messages

    def over(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The experiment's file with this variant's values."""
        merged = {key: value for key, value in raw.items() if key not in NEVER}
        for key, value in self.values.items():
            merged = deep_merged(merged, nested(key, value))
        return merged


def variants_of(experiment: str, sweep: Sweep, root: Path) -> list[Variant]:
    """The variants, each with a name of its own, in the order in which they are written.

    Raises:
        UserError: there are none, or two have one name or the same values, or a table cannot be read.
    """
    where = f"config/experiments/{experiment}.yaml: sweep"
    if sweep.table is not None:
        found = list(_of_table(root / sweep.table.expanduser(), str(sweep.table)))
        where = str(sweep.table)
    elif "variants" in sweep.model_fields_set:
        found = [(f"{where}: variants[{number}]", row) for number, row in enumerate(sweep.variants)]
    else:
        found = [(f"{where}: over", row) for row in _grid(sweep.over, where)]
    if not found:
        raise UserError(f"{where}: no variants; write at least one")
    if len(found) > MOST_VARIANTS:
        raise UserError(f"{where}: {len(found)} variants; {MOST_VARIANTS} at most, sweep over fewer values")
    return _named(experiment, found)


def _grid(over: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    keys = dict(_leaves(over))
    for key, values in keys.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"{where}: over.{key}: {values!r} should be a list of values, such as [1, 2]")
    for combination in itertools.product(*keys.values()) if keys else ():
        yield dict(zip(keys, combination, strict=True))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _of_table(path: Path, shown: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with the place where it stands."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        raise UserError(f"sweep.table: {shown}: cannot be read: {reason}; name a CSV or YAML file") from None
    if path.suffix.lower() in (".yaml", ".yml"):
        yield from _of_yaml(text, shown)
        return
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(lines, [])]
        if not all(header) or len(set(header)) < len(header):
            raise UserError(f"{shown}: line 1: {','.join(header)!r} should name each column once, by a dotted key")
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield f"{shown}: line {lines.line_num}", _row(header, cells, f"{shown}: line {lines.line_num}")
    except csv.Error as error:
        raise UserError(f"{shown}: line {lines.line_num}: no CSV: {error}; correct the line") from None


def _row(header: Sequence[str], cells: Sequence[str], where: str) -> dict[str, Any]:
    if len(cells) != len(header):
        raise UserError(f"{where}: {len(cells)} values for {len(header)} columns; give each column one value")
    row = {key: cell.strip() for key, cell in zip(header, cells, strict=True)}
    for key, cell in row.items():
        if not cell:
            raise UserError(f"{where}: {key}: no value; write one, or `null` for a key's null")
    return row


def _of_yaml(text: str, shown: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{shown}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{shown}: should be a list of mappings, such as `- {{name: slow, training.learning_rate: 1}}`")
    for number, row in enumerate(rows, 1):
        yield f"{shown}: entry {number}", {str(key): value for key, value in row.items()}


def _named(experiment: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Variant]:
    found: list[Variant] = []
    by_name: dict[str, str] = {}
    by_values: dict[str, str] = {}
    for where, row in rows:
        values = {key: _said(value) for key, value in _leaves(row) if key != NAME}
        if not values:
            raise UserError(f"{where}: no value of any key; give one, such as `training.learning_rate: 0.001`")
        if wrong := next((key for key in values if key.partition(".")[0] in NEVER), ""):
            raise UserError(f"{where}: {wrong}: cannot differ between variants; remove it")
        same = json.dumps({key: _number(value) for key, value in values.items()}, sort_keys=True, default=str)
        if same in by_values:
            raise UserError(f"{where}: {_words(values)}: the same values as {by_values[same]}; remove one of them")
        given = row.get(NAME)
        name = f"{experiment}-{_safe(str(given), where) if given is not None else _made_of(values)}"
        if name.lower() in by_name:
            raise UserError(f"{where}: name: {name!r} is also that of {by_name[name.lower()]}; give them two names")
        by_name[name.lower()] = by_values[same] = where
        found.append(Variant(name, values, where))
    return found


def _said(value: Any) -> Any:
    """Words as the numbers and truth values that they say: YAML reads 1e-3 as a word, and CSV knows only words."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _number(value: Any) -> Any:
    """1 as 1.0, which is the same value."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _safe(name: str, where: str) -> str:
    if not re.fullmatch(r"\w[\w.-]*", name) or len(name) > LONGEST_NAME:
        raise UserError(
            f"{where}: name: {name!r} names a folder: use letters, digits, `_`, `.` and `-`, {LONGEST_NAME} at most"
        )
    return name


def _made_of(values: Mapping[str, Any]) -> str:
    """`learning_rate-0.001-micro_batch_size-8`: a name that stays as it is where other variants come and go."""
    parts = [f"{key.rpartition('.')[2]}-{_short(value)}" for key, value in values.items()]
    name = UNSAFE.sub("_", "-".join(parts))
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}-{_digest(values)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    plain = UNSAFE.sub("_", text)
    return text if plain == text and len(text) <= LONGEST_VALUE else f"{plain[:LONGEST_VALUE]}-{_digest(value)}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
