"""Folders of documents: settings, splits, partners, the cache, the table and the picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate, TextGate
from gonogo.quality.inspector import StatisticsCache
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.quality.text.inspector import split_of_file
from gonogo.verdict import Status

from .documents import check, inspect, lines, record


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("schema_file", '{"type": "nope"}', "not a JSON Schema"),
        ("schema_file", "{", "not a JSON Schema"),
        ("tokenizer", "{}", "not a tokenizer.json"),
        ("tokenizer", None, "cannot be read"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path: Path, key: str, content: str | None, said: str) -> None:
    path = tmp_path / "named.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=f"gates.quality.text.{key}: {re.escape(str(path))}.*{said}"):
        kind_of("text").configured(QualityGate(text=TextGate(**{key: str(path)})))


def test_splits_named_by_files() -> None:
    names = ["train.jsonl", "qa_val.json", "test-00000-of-00002.jsonl", "my_dev.ndjson", "testament.jsonl", "test.txt"]
    assert [split_of_file(name) for name in names] == ["train", "val", "test", "val", "", ""]


def test_documents_and_their_partners(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "pictures").mkdir(parents=True)
    for seed in range(6):
        (folder / f"{seed}.txt").write_text("a cat")
        Image.new("RGB", (8, 8), (seed * 40, 0, 0)).save(folder / ("pictures" if seed else "") / f"{seed}.png")
    gate = QualityGate(text=TextGate(paired_with=(".png",)))
    judgement, found = inspect(folder, gate)
    assert not any(found.values()), found  # the same words, of other pictures
    assert judgement.status is Status.GO
    (folder / "pictures" / "3.png").unlink()
    Image.new("RGB", (8, 8)).save(folder / "pictures" / "left.png")
    judgement, found = inspect(folder, gate)
    assert {name: faults for name, faults in found.items() if faults} == {
        "3.txt": ["no_partner: no 3.png"],
        "pictures/left.png": ["no_document: no document of this name"],
    }
    assert judgement.bad == 2
    assert check(judgement, "pairing").evidence == [str(folder / "3.txt"), str(folder / "pictures" / "left.png")]


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="It is empty"):
        measure_part("text", tmp_path / "data", tmp_path / "out")
    (tmp_path / "data" / "README.md").write_text("About the data.")
    with pytest.raises(UserError, match=r"no document here but README.md"):
        measure_part("text", tmp_path / "data", tmp_path / "out")


class Kept(StatisticsCache):
    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.hits = 0

    def get(self, content: str) -> dict[str, Any] | None:
        found = self.held.get(content)
        self.hits += found is not None
        return None if found is None else json.loads(json.dumps(found))

    def put(self, content: str, statistics: dict[str, Any]) -> None:
        self.held[content] = statistics


def test_what_was_measured_before_counts_for_the_same_settings_alone(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(9)] + ["{"])
    cache, written = Kept(), []
    for number, gate in enumerate([TextGate(), TextGate(), TextGate(required_keys=("source",))]):
        measure_part(
            kind_of("text").configured(QualityGate(text=gate)), tmp_path / "data", tmp_path / f"{number}", cache=cache
        )
        written.append((tmp_path / f"{number}" / "items.jsonl").read_text())
    assert written[0] == written[1]
    assert written[0] != written[2]
    assert (len(cache.held), cache.hits) == (2, 1)


def test_the_table_and_the_picture_show_the_document(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(9)] + ["{"])
    measure_part("text", tmp_path / "data", tmp_path / "out")
    data, rows = MeasuredSet.read(tmp_path / "out"), []
    kind = kind_of("text")
    judge(data, QualityGate(), each=lambda finding: rows.extend(kind.rows(finding)))
    assert (rows[0]["records"], rows[0]["bad_records"], rows[0]["records.json"], rows[0]["status"]) == (
        10,
        1,
        1,
        "NO_GO",
    )
    picture = kind.picture(next(data.items(kind.Item)))
    assert picture is not None
    assert len(picture.getcolors() or ()) > 1
