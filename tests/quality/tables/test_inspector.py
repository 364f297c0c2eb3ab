"""Tables of every form: good ones pass, and each fault is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.inspect import Inspection, inspect
from gonogo.quality.tables.inspector import Tables
from gonogo.verdict import Check, Status

pyarrow = pytest.importorskip("pyarrow")
ROWS = 400


def columns(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "id": np.arange(ROWS) + 1000 * seed,
        "length": random.normal(5, 1, ROWS).round(4),
        "colour": random.choice(["red", "green", "blue"], ROWS),
        "weight": np.where(random.random(ROWS) < 0.05, np.nan, random.normal(50, 9, ROWS).round(3)),
        "label": random.choice(["cat", "dog"], ROWS),
    }


def write(path: Path, held: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    import pyarrow.parquet

    table = pyarrow.table({name: pyarrow.array(list(values), from_pandas=True) for name, values in held.items()})
    match path.suffix:
        case ".parquet":
            pyarrow.parquet.write_table(table, path)
        case ".arrow":
            with pyarrow.ipc.new_stream(path, table.schema) as stream:
                stream.write_table(table)
        case _:
            rows = zip(
                *[["" if str(value) == "nan" else value for value in values] for values in held.values()], strict=True
            )
            lines = [",".join(held), *(",".join(map(str, row)) for row in rows)]
            path.write_text("\n".join(lines) + "\n")


def check(found: Inspection, id: str) -> Check:
    return next(check for check in found.verdict.checks if check.id == id)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".arrow"])
def test_good_tables_of_every_form_are_go(tmp_path: Path, ending: str) -> None:
    for seed, name in enumerate(("train", "val", "test")):
        write(tmp_path / f"data/{name}{ending}", columns(seed))
    found = inspect(tmp_path / "data", "tables")
    assert found.verdict.status is Status.GO, found.verdict.checks
    assert check(found, "target").why == "'label': 2 values"
    assert found.verdict.summary.endswith("3 of 3 files judged")


def changed(name: str, value: Callable[[np.ndarray], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda held: held | {name: value(held[name])}


@pytest.mark.parametrize(
    ("change", "question", "said", "status"),
    [
        (changed("weight", lambda held: held * np.nan), "cells", "mostly missing: weight", Status.CAUTION),
        (changed("length", lambda held: held * 0 + 3), "cells", "of one value: length", Status.CAUTION),
        (changed("length", lambda held: np.where(held > 6, np.inf, held)), "cells", "infinity in length", Status.NO_GO),
        (
            lambda held: held | {"guess": held["label"] == "cat"},
            "target_copied",
            "guess gives 'label' away",
            Status.NO_GO,
        ),
        (lambda held: held | {"label_name": held["label"]}, "target_copied", "label_name gives", Status.CAUTION),
        (changed("label", lambda held: ["cat"] * ROWS), "target", "every 'label' is 'cat'", Status.NO_GO),
        (changed("label", lambda held: ["dog"] + ["cat"] * (ROWS - 1)), "target", "'dog' is in 3 rows", Status.CAUTION),
        (changed("label", lambda held: [None] * 40 + list(held[40:])), "target", "10 % of the rows", Status.NO_GO),
        (
            lambda held: {n: list(v[:40]) * 10 for n, v in held.items()},
            "repeated_rows",
            "360 of 400 rows",
            Status.CAUTION,
        ),
    ],
)
def test_a_fault_of_all_tables_is_told(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], question: str, said: str, status: Status
) -> None:
    for seed in range(3):
        write(tmp_path / f"data/part{seed}.parquet", change(columns(seed)))
    found = inspect(tmp_path / "data", "tables")
    assert said in check(found, question).why
    assert check(found, question).status is status
    assert found.verdict.status is status


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "unreadable"),
        ("id,length,colour,weight,label\n", "empty"),
        ("id,length,colour,weight,label\n" + "1,2,red,4,cat\n1,2,3\n" * 9, "odd_rows"),
        ("id,length,colour,label\n" + "1,2,red,cat\n" * 9, "columns"),
        ("id,length,colour,weight,label\n" + "1,long,red,4,cat\n" * 9, "types"),
        ("id,length,colour,weight,label\n" + "1,2.5,red,4,cat\n" * 9 + "1,?,red,4,cat\n", "words"),
        ("id,length,colour,weight,label\n" + ",,,,cat\n" * 9, "empty_cells"),
    ],
)
def test_a_fault_of_one_table_is_told(tmp_path: Path, text: str, fault: str) -> None:
    for seed in range(4):
        write(tmp_path / f"data/part{seed}.csv", columns(seed))
    (tmp_path / "data/odd.csv").write_text(text)
    found = inspect(tmp_path / "data", "tables")
    (row,) = [row for row in found.worst if "odd.csv" in row["path"]]
    assert fault in row["checks"].split()
    assert found.verdict.status is not Status.GO


def test_rows_in_two_splits_are_leakage_whatever_their_label_and_digits(tmp_path: Path) -> None:
    held = columns(0)
    write(tmp_path / "data/train.csv", held)
    copied = {name: np.concatenate([held[name][:60], columns(1)[name][60:]]) for name in held}
    copied["length"] = [f"{value:.6f}" for value in copied["length"]]
    copied["label"] = copied["label"][::-1]
    write(tmp_path / "data/test.csv", copied)
    found = inspect(tmp_path / "data", "tables")
    assert check(found, "row_leakage").status is Status.NO_GO
    assert found.verdict.cause == "LEAKAGE"
    assert "60 of 400 rows" in check(found, "row_leakage").why


def test_rows_that_repeat_by_nature_are_no_leakage(tmp_path: Path) -> None:
    for seed, name in enumerate(("train", "test")):
        random = np.random.default_rng(seed)
        few = {name: random.integers(0, 3, ROWS) for name in ("a", "b", "c")}
        write(tmp_path / f"data/{name}.csv", few | {"target": random.integers(0, 2, ROWS)})
    found = inspect(tmp_path / "data", "tables")
    assert check(found, "row_leakage").status is Status.CAUTION
    assert found.verdict.status is Status.CAUTION


def test_a_folder_of_datasets_is_read(tmp_path: Path) -> None:
    """As `datasets` saves it: a folder for each split, Arrow streams, and papers beside them."""
    for seed, split in enumerate(("train", "test")):
        write(tmp_path / f"data/{split}/data-00000-of-00001.arrow", columns(seed))
        (tmp_path / f"data/{split}/state.json").write_text("{}")
        (tmp_path / f"data/{split}/dataset_info.json").write_text("{}")
    (tmp_path / "data/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = inspect(tmp_path / "data", "tables")
    assert found.verdict.status is Status.GO, found.verdict.checks
    assert found.verdict.summary.endswith("2 of 7 files judged; 5 left out: 5 notes and lists")


def test_every_fault_belongs_to_a_check() -> None:
    asked = [fault for group in Tables().fault_groups(QualityGate()) for fault in group.faults]
    assert len(asked) == len(set(asked)) == 10
