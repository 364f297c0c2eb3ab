"""Records as they lie in files: whole, cut, damaged, or not records at all."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.quality.text.records import CHUNK, read_records
from gonogo.verdict import Status

from .documents import check, inspect, lines, record, sentence


def test_records_of_any_depth_are_read_or_refused(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", ['{"a":' * depth + '"x"' + "}" * depth for depth in range(900, 1010)])
    _, found = inspect(tmp_path / "data")
    (fault,) = found["a.jsonl"]
    assert re.match(r"json: not JSON \d+ of 110:\d+: nested too deep", fault)


def test_a_half_written_last_line_is_always_bad(tmp_path: Path) -> None:
    path = lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(2000)])
    path.write_bytes(path.read_bytes()[:-20])
    judgement, found = inspect(tmp_path / "data")
    assert found["a.jsonl"] == ["cut: cut 1 of 2000:2000: the last line is cut"]
    assert judgement.status is Status.NO_GO


def test_a_last_line_without_a_line_feed_is_whole(tmp_path: Path) -> None:
    path = lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(5)])
    path.write_bytes(path.read_bytes()[:-1])
    assert inspect(tmp_path / "data")[0].status is Status.GO


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda p: p.with_suffix(".json").write_text('[{"text": "a"}, {"text": "b"}, {"te'), "not JSON after record 2"),
        (lambda p: p.with_suffix(".json").write_text('[{"text": "a"}, {"text": "b"}'), "the list has no end"),
        (lambda p: p.with_suffix(".json").write_text('[{"text": "a"} {"text": "b"}]'), "no comma before"),
        (lambda p: p.with_suffix(".json").write_text('[{"text": "a"}] x'), "more follows the list"),
        (lambda p: p.with_suffix(".json").write_bytes(b'{"text": "caf\xe9"}'), "not UTF-8 after record 0"),
        (lambda p: p.with_suffix(".jsonl").write_bytes(b"x" * (1 << 26)), "line 1 is longer than 64 MiB"),
        (lambda p: p.with_suffix(".txt").write_bytes(b"x" * ((1 << 26) + 1)), "longer than 64 MiB"),
    ],
)
def test_files_that_cannot_be_divided_into_records_are_never_go(
    tmp_path: Path, write: Callable[[Path], object], said: str
) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(30)])
    write(tmp_path / "data" / "z")
    judgement, found = inspect(tmp_path / "data")
    assert [name for name, faults in found.items() if faults] == [name for name in found if name.startswith("z")]
    assert said in check(judgement, "unreadable").why
    assert judgement.status is not Status.GO


def test_empty_files_have_no_records(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(30)])
    for name in ("b.jsonl", "c.json", "d.json"):
        (tmp_path / "data" / name).write_text("[]" if name[0] == "d" else "")
    (tmp_path / "data" / "e.txt").write_text("")
    judgement, found = inspect(tmp_path / "data")
    assert [found[name][0] for name in ("b.jsonl", "c.json", "d.json")] == ["no_records: no records"] * 3
    assert found["e.txt"][0] == "empty: no text 1 of 1: no text"
    assert check(judgement, "text_present").status is not Status.GO


def test_long_lists_are_read_piece_by_piece(tmp_path: Path) -> None:
    records = [{"n": seed, "text": sentence(seed, 300)} for seed in range(1500)]
    path = tmp_path / "a.json"
    for indent in (None, 2):
        path.write_text(json.dumps(records, indent=indent))
        assert path.stat().st_size > 2 << 20
        assert [found.value for found in read_records(path)] == records
    for numbers in range(8):  # whatever falls on the border of two pieces
        path.write_text("[" + " " * (CHUNK - 4 - numbers) + "1234, 5678, 9]")
        assert [found.value for found in read_records(path)] == [1234, 5678, 9]
    path.write_text("\n".join(json.dumps(value) for value in [*records, 17, "x"]))
    assert [found.value for found in read_records(path)] == [*records, 17, "x"]


def test_a_list_of_short_records_costs_about_what_its_lines_cost(tmp_path: Path) -> None:
    records = [{"text": sentence(seed, 6)} for seed in range(30_000)]
    (tmp_path / "a.json").write_text(json.dumps(records))
    lines(tmp_path / "a.jsonl", records)
    took = []
    for name in ("a.jsonl", "a.json"):
        start = time.process_time()
        assert sum(1 for _ in read_records(tmp_path / name)) == len(records)
        took.append(time.process_time() - start)
    assert took[1] < 6 * took[0]


def test_random_damage_never_ends_the_scan(tmp_path: Path) -> None:
    rng = random.Random(3)
    whole = "\n".join(
        json.dumps({"id": seed, "text": f"grün {seed}", "more": [{"a": None}]}) for seed in range(9)
    ).encode()
    for number in range(200):
        spoilt = bytearray(whole if number % 4 else b'[{"text": "a", "n": [1, 2]}, {"text": "b"}, 12]')
        for _ in range(4):
            spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        path = tmp_path / "data" / f"{number}.{'json' if number % 4 == 0 else 'jsonl' if number % 4 < 3 else 'txt'}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(spoilt[: rng.randrange(len(spoilt))])
    judgement, found = inspect(tmp_path / "data")
    assert judgement.items == len(found) == 200
    assert judgement.status is Status.NO_GO
