"""What only all records together show: repeats, leakage, lengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.verdict import Status

from .documents import check, inspect, lines, record, sentence


def test_repeats_are_found_whatever_their_ids_case_and_spaces(tmp_path: Path) -> None:
    records = [record(seed) for seed in range(80)]
    again = [{**record(seed), "id": 900 + seed} for seed in range(10)]
    loud = [{**record(seed), "text": sentence(seed).upper().replace(" ", "  ")} for seed in range(10, 20)]
    lines(tmp_path / "data" / "a.jsonl", records)
    lines(tmp_path / "data" / "b.jsonl", [record(500), *again, *loud])
    judgement, found = inspect(tmp_path / "data")
    assert found["a.jsonl"] == []
    assert found["b.jsonl"] == [f"repeated: 20 of 21 repeat earlier ones:2, as in {tmp_path / 'data' / 'a.jsonl'}:1"]
    shares = check(judgement, "repeated_records")
    assert shares.status is Status.NO_GO
    assert "20 repeat one in their split, 10 of them to the letter" in shares.why


def test_equal_captions_of_different_pictures_are_no_repeats(tmp_path: Path) -> None:
    captions = [{"image": f"{seed}.png", "caption": "a cat"} for seed in range(50)]
    lines(tmp_path / "data" / "train.jsonl", captions[:40])
    lines(tmp_path / "data" / "val.jsonl", captions[40:])
    assert inspect(tmp_path / "data")[0].status is Status.GO


@pytest.mark.parametrize("names", [("train.jsonl", "val.jsonl"), ("train/a.jsonl", "test/b.jsonl")])
def test_a_record_in_two_splits_is_leakage_and_named_in_both(tmp_path: Path, names: tuple[str, str]) -> None:
    folder = tmp_path / "data"
    lines(folder / names[0], [record(seed) for seed in range(1000)])
    lines(folder / names[1], [record(seed) for seed in range(2000, 2100)])
    assert inspect(folder)[0].status is Status.GO
    lines(folder / names[1], ["", *[record(seed) for seed in range(2000, 2100)], {**record(41), "id": 7}])
    judgement, _ = inspect(folder)
    leakage = check(judgement, "record_leakage")
    assert (leakage.status, leakage.value) == (Status.NO_GO, 1)
    assert leakage.evidence == [f"{folder / names[0]}:42 = {folder / names[1]}:102"]
    assert judgement.cause == "LEAKAGE"
    assert check(judgement, "repeated_records").value == 0


def test_one_record_in_each_split_is_leakage_and_no_repeat(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        lines(tmp_path / "data" / f"{split}.jsonl", [record(1)])
    judgement, _ = inspect(tmp_path / "data")
    assert check(judgement, "record_leakage").value == 1
    assert check(judgement, "repeated_records").value == 0


def test_records_that_begin_alike_and_of_odd_length_are_warnings(tmp_path: Path) -> None:
    header = "Home | About | Contact | Subscribe to our newsletter | Cookies | Imprint | Log in | "
    lines(tmp_path / "data" / "a.jsonl", [{"text": header + sentence(seed)} for seed in range(150)])
    lines(tmp_path / "data" / "b.jsonl", [record(seed) for seed in range(200, 300)])
    (tmp_path / "data" / "c.txt").write_text(sentence(400) * 2000)
    judgement, found = inspect(tmp_path / "data")
    assert found == {"a.jsonl": [], "b.jsonl": [], "c.txt": ["?odd_length: 1 of 1 of odd length"]}
    assert check(judgement, "openings").status is Status.CAUTION
    assert "Home | About" in check(judgement, "openings").why
    assert check(judgement, "openings").value == pytest.approx(100 * 150 / 251, abs=2)
    assert judgement.status is Status.CAUTION


def test_parts_make_up_one_set(tmp_path: Path) -> None:
    for part, seeds in {"x": range(100), "y": range(90, 190)}.items():
        lines(tmp_path / part / "a.jsonl", [record(seed) for seed in seeds])
        measure_part("text", tmp_path / part, tmp_path / f"{part}-measured")
    data = MeasuredSet.read(tmp_path / "x-measured", tmp_path / "y-measured")
    assert "10 of 200 records" in check(judge(data, QualityGate()), "repeated_records").why


@pytest.mark.parametrize(
    "other",
    [
        lambda text: {"text": text + "\n"},
        lambda text: {"text": " \t" + text.replace(" ", "\r\n")},
        lambda text: {"text": text.replace(" ", "\u00a0\u200b", 2)},
        lambda text: {"text": text, "label": "odd"},
        lambda text: {"text": text, "source": "wikipedia", "url": "https://example.org/7"},
    ],
)
def test_leakage_hides_behind_no_white_space_label_or_source(tmp_path: Path, other: Any) -> None:
    texts = [f"{sentence(seed)} The label above is another one." for seed in range(300)]
    lines(tmp_path / "data" / "train.jsonl", [{"text": text, "label": "even", "source": "a"} for text in texts[:200]])
    lines(tmp_path / "data" / "test.jsonl", [{"text": text, "label": "even", "source": "a"} for text in texts[200:]])
    assert check(inspect(tmp_path / "data")[0], "record_leakage").value == 0
    lines(tmp_path / "data" / "test.jsonl", [other(text) for text in texts[150:250]])
    assert check(inspect(tmp_path / "data")[0], "record_leakage").value == 50


def test_labels_that_are_the_text_are_compared(tmp_path: Path) -> None:
    pairs = [{"source": sentence(seed), "target": sentence(seed + 900), "lang": "de"} for seed in range(200)]
    lines(tmp_path / "data" / "train.jsonl", pairs[:150])
    lines(tmp_path / "data" / "test.jsonl", pairs[150:])
    assert inspect(tmp_path / "data")[0].status is Status.GO
