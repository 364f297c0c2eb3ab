"""Documents: every fault in a real file, good sets, half-written files, splits, partners, tokens."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate, TextGate
from gonogo.quality.inspector import StatisticsCache
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.quality.text.inspector import Texts, split_of_file
from gonogo.quality.text.records import CHUNK, read_records
from gonogo.verdict import Check, Status

FIRST, MORE = "the red house stands by a long river where old boats", "and quiet people wait for rain in early spring"
WORDS = f"{FIRST} {MORE}".split()


def sentence(seed: int, words: int = 12) -> str:
    return " ".join(WORDS[(seed * 7 + i * i * (seed % 5 + 1)) % len(WORDS)] for i in range(words)) + f" {seed}."


def record(seed: int) -> dict[str, Any]:
    return {"id": seed, "text": sentence(seed), "label": seed % 3}


def lines(path: Path, records: list[Any]) -> Path:
    """Records as lines; bytes and strings stand as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = [r if isinstance(r, bytes) else (r if isinstance(r, str) else json.dumps(r)).encode() for r in records]
    path.write_bytes(b"\n".join([*raw, b""]))
    return path


def inspect(
    folder: Path, gate: QualityGate | None = None, kind: Texts | None = None
) -> tuple[Judgement, dict[str, Any]]:
    """The judgement, and each item's faults: `id: reason`, with `?` before one that only warns."""
    gate, found = gate or QualityGate(), {}
    out = folder.parent / f"{folder.name}-measured"
    measure_part(kind or kind_of("text").configured(gate), folder, out)
    judgement = judge(
        MeasuredSet.read(out),
        gate,
        each=lambda finding: found.update(
            {finding.name: [f"{'?' * fault.warns}{fault.id}: {fault.reason}" for fault in finding.faults]}
        ),
    )
    return judgement, found


def check(judgement: Judgement, id: str) -> Check:
    return next(check for check in judgement.checks if check.id == id)


def test_good_documents_of_every_format_are_go(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    lines(folder / "a.jsonl", [record(seed) for seed in range(200)])
    (folder / "b.json").write_text(json.dumps([record(seed) for seed in range(200, 260)], indent=1))
    (folder / "c.json").write_text(json.dumps(record(300)))
    (folder / "d.txt").write_text("\ufeffÀ Noël, „schöne Grüße“ — 東京 🙂\n" + sentence(301))
    (folder / "e.md").write_text(f"# {sentence(302)}\n\n{sentence(303)}\n")
    messages = [{"role": "user", "content": sentence(304)}, {"role": "assistant", "content": sentence(305)}]
    lines(folder / "f.ndjson", [{"messages": messages}, "", sentence(306).__repr__().replace("'", '"')])
    (folder / "README.md").write_text("")
    judgement, found = inspect(folder)
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert [(c.id, c.status, c.why) for c in judgement.checks if c.status is not Status.GO] == []
    assert judgement.items == 6
    assert check(judgement, "bad_records").value == 0
    assert check(judgement, "truncated").why == "not judged: no `max_tokens` is set"


@pytest.mark.parametrize(
    ("broken", "fault", "question"),
    [
        ('{"text": "no end"', "json: not JSON 5 of 100:96: Expecting ',' delimiter", "json"),
        ("<html>", "json: not JSON 5 of 100:96: Expecting value", "json"),
        ('{"text": NaN}', "json: not JSON 5 of 100:96: NaN is not JSON", "json"),
        ("[" * 100_000, "json: not JSON 5 of 100:96: nested too deep", "json"),
        ({"text": "  \n"}, "empty: no text 5 of 100:96: no text", "text_present"),
        ({"text": None}, "empty: no text 5 of 100:96: no text", "text_present"),
        (b'{"text": "caf\xe9"}', "encoding: encoding 5 of 100:96: not UTF-8 at byte 13", "encoding"),
        ({"text": "caf\ufffd au lait"}, "encoding: encoding 5 of 100:96: U+FFFD", "encoding"),
        ('{"text": "half \\ud83d of it"}', "encoding: encoding 5 of 100:96: U+FFFD or half a surrogate", "encoding"),
        (json.dumps({"text": "\ud83d half of it" * 9}), "encoding: encoding 5 of 100:96: U+FFFD or half", "encoding"),
        ({"text": "cafÃ© au lait"}, "encoding: encoding 5 of 100:96: mojibake Ã©", "encoding"),
        ({"text": "itâ€™s late"}, "encoding: encoding 5 of 100:96: mojibake â€™", "encoding"),
        ({"text": "bell \x07 rings"}, "control: control characters 5 of 100:96: control characters", "encoding"),
        ({"text": "für \x1b[31m rot"}, "control: control characters 5 of 100:96: control characters", "encoding"),
    ],
)
def test_bad_records_are_counted_and_named_by_line(tmp_path: Path, broken: Any, fault: str, question: str) -> None:
    folder = tmp_path / "data"
    lines(folder / "odd.jsonl", [record(seed) for seed in range(95)] + [broken] * 5)
    for seed in range(1, 12):
        lines(folder / f"good_{seed}.jsonl", [record(1000 * seed + n) for n in range(100)])
    gate = QualityGate(text=TextGate(max_repeated=1))
    judgement, found = inspect(folder, gate)
    (told,) = found.pop("odd.jsonl")
    assert told.startswith(fault)
    assert not any(found.values())
    assert "odd.jsonl" in check(judgement, question).why
    assert check(judgement, question).status is not Status.GO
    assert judgement.bad == 1
    assert "5 of 1200 records" in check(judgement, "bad_records").why
    assert check(judgement, "bad_records").status is Status.GO  # 0.4 %


def test_records_of_any_depth_are_read_or_refused(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", ['{"a":' * depth + '"x"' + "}" * depth for depth in range(900, 1010)])
    _, found = inspect(tmp_path / "data")
    (fault,) = found["a.jsonl"]
    assert re.match(r"json: not JSON \d+ of 110:\d+: nested too deep", fault)


def test_a_few_bad_records_in_a_file_are_a_warning(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(500)] + ["{"])
    judgement, found = inspect(tmp_path / "data")
    (fault,) = found["a.jsonl"]
    assert fault.startswith("?json: not JSON 1 of 501:501")
    assert judgement.status is Status.CAUTION
    assert judgement.bad == 0


def test_too_many_bad_records_over_all_files_stop_the_set(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(500)] + ["{"] * 20)
    judgement, _ = inspect(tmp_path / "data")
    assert judgement.status is Status.NO_GO
    assert judgement.cause == "DATA"
    shares = check(judgement, "bad_records")
    assert (shares.status, shares.value) == (Status.NO_GO, 3.8)
    assert "20 not JSON" in shares.why
    assert "a.jsonl:501" in shares.why


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


def test_records_are_held_against_a_schema_and_keys(tmp_path: Path) -> None:
    schema = tmp_path / "records.schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"label": {"type": "integer", "maximum": 2}}}))
    gate = QualityGate(text=TextGate(schema_file=str(schema), required_keys=("text", "label")))
    lines(tmp_path / "data" / "good.jsonl", [record(seed) for seed in range(90)])
    (tmp_path / "data" / "notes.txt").write_text(sentence(91))
    assert inspect(tmp_path / "data", gate)[0].status is Status.GO
    more = [{"text": sentence(200), "label": 7}, {"text": sentence(201), "label": None}, [sentence(202)]]
    lines(tmp_path / "data" / "odd.jsonl", more)
    judgement, found = inspect(tmp_path / "data", gate)
    assert found["odd.jsonl"] == [
        "schema: against the schema 3 of 3:1: 7 is greater than the maximum of 2",
        "keys: keys missing 2 of 3:2: without label",
    ]
    assert check(judgement, "schema").status is not Status.GO
    lines(tmp_path / "data" / "odd.jsonl", ['{"text": "x", "label": "\\ud83d"}', {**record(0), "\ud83d": "x"}])
    _, found = inspect(tmp_path / "data", gate)
    assert found["odd.jsonl"] == ["encoding: encoding 1 of 2:1: half a surrogate pair"]


def test_a_schema_that_nothing_was_held_against_is_never_go(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(9)])
    judgement, _ = inspect(tmp_path / "data", QualityGate(text=TextGate(schema_file=str(schema))), Texts())
    assert check(judgement, "read_as").status is Status.UNKNOWN
    assert judgement.status is Status.UNKNOWN
    changed = QualityGate(text=TextGate(max_repeated=0.2, max_tokens=0))  # a threshold alone asks for no new reading
    assert inspect(tmp_path / "data", changed, Texts())[0].status is Status.GO


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


def test_splits_named_by_files() -> None:
    names = ["train.jsonl", "qa_val.json", "test-00000-of-00002.jsonl", "my_dev.ndjson", "testament.jsonl", "test.txt"]
    assert [split_of_file(name) for name in names] == ["train", "val", "test", "val", "", ""]


def word_tokenizer(path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.enable_truncation(8)  # as many shipped ones do
    tokenizer.save(str(path))
    return path


def test_truncation_is_judged_by_the_tokenizer_that_is_named(tmp_path: Path) -> None:
    tokenizer = str(word_tokenizer(tmp_path / "tokenizer.json"))
    long = [{"text": sentence(seed, 39)} for seed in range(700, 703)]  # 40 words each
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(97)] + long)
    judgement, found = inspect(tmp_path / "data", QualityGate(text=TextGate(max_tokens=13, tokenizer=tokenizer)))
    assert found["a.jsonl"] == ["too_long: 3 of 100 over 13 tokens, up to 40:98"]
    truncated = check(judgement, "truncated")
    assert (truncated.status, truncated.value) == (Status.NO_GO, 3)
    lines(tmp_path / "data" / "b.jsonl", [record(seed) for seed in range(800, 1100)] + ['{"text": "half a \\ud83d"}'])
    judgement, _ = inspect(tmp_path / "data", QualityGate(text=TextGate(max_tokens=40, tokenizer=tokenizer)))
    assert check(judgement, "encoding").status is Status.CAUTION
    (tmp_path / "data" / "b.jsonl").unlink()
    judgement, _ = inspect(tmp_path / "data", QualityGate(text=TextGate(max_tokens=40, tokenizer=tokenizer)))
    assert judgement.status is Status.GO
    judgement, _ = inspect(tmp_path / "data", QualityGate(text=TextGate(tokenizer=tokenizer)))
    assert check(judgement, "truncated").why == "not judged: no `max_tokens` is set; the longest record has 40"


def test_truncation_by_a_function_and_unknown_without_one(tmp_path: Path) -> None:
    lines(tmp_path / "data" / "a.jsonl", [record(seed) for seed in range(50)])
    gate = QualityGate(text=TextGate(max_tokens=20))
    own = Texts(count_tokens=lambda text: len(text.split())).configured(gate)
    assert check(inspect(tmp_path / "data", gate, own)[0], "truncated").status is Status.GO
    strict = QualityGate(text=TextGate(max_tokens=5))
    assert check(inspect(tmp_path / "data", strict, own)[0], "truncated").status is Status.NO_GO
    judgement, _ = inspect(tmp_path / "data", gate)
    assert check(judgement, "truncated").status is Status.UNKNOWN
    assert judgement.status is Status.UNKNOWN


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


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(UserError, match="It is empty"):
        measure_part("text", tmp_path / "data", tmp_path / "out")
    (tmp_path / "data" / "README.md").write_text("About the data.")
    with pytest.raises(UserError, match=r"no document here but README.md"):
        measure_part("text", tmp_path / "data", tmp_path / "out")


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


def test_parts_make_up_one_set(tmp_path: Path) -> None:
    for part, seeds in {"x": range(100), "y": range(90, 190)}.items():
        lines(tmp_path / part / "a.jsonl", [record(seed) for seed in seeds])
        measure_part("text", tmp_path / part, tmp_path / f"{part}-measured")
    data = MeasuredSet.read(tmp_path / "x-measured", tmp_path / "y-measured")
    assert "10 of 200 records" in check(judge(data, QualityGate()), "repeated_records").why


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
