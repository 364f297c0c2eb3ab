"""Each fault of documents in a file that really has it, and none in good ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from gonogo.config.quality_thresholds import QualityGate, TextGate
from gonogo.quality.text.inspector import Texts
from gonogo.verdict import Status

from .documents import check, inspect, lines, record, sentence


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
    assert [(c.id, c.status, c.why) for c in judgement.checks if c.status is not Status.GO and not c.grey] == []
    assert judgement.items == 6
    assert check(judgement, "bad_records").value == 0
    assert check(judgement, "truncated").why == "no `max_tokens` is set"


def _chat(*turns: tuple[str, str | None]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def test_capitals_and_chats_of_many_makes_are_good(tmp_path: Path) -> None:
    """Portuguese and French in capitals; tool calls, pictures, ShareGPT's names, role play, preferences."""
    call = [{"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]
    part = [{"type": "text", "text": "a cat"}]
    lines(
        tmp_path / "data" / "a.jsonl",
        [
            *[
                {"text": f"{word} disse ela, e saiu."}
                for word in ("“AMANHÃ”", "IRMÃ…", "AMANHÃ,", "MAÇÃ\u00a0VERDE", "Ã»")
            ],
            {"text": "LE CHÂTEAU DE L’ÂGE D’OR, «\u00a0PÂTÉ\u00a0» ET GÂTEAU; IRMÃ — e foi"},
            {"messages": call},
            {"messages": [{"role": "user", "content": part}, {"role": "assistant", "content": part}]},
            {"conversations": [{"from": "human", "value": "hello"}, {"from": "gpt", "value": "hello there"}]},
            {"conversations": [{"from": "Alice", "value": "well met"}, {"from": "Bob", "value": "indeed"}]},
            {"messages": [{"role": "user", "content": "why?"}], "chosen": "because", "rejected": "no"},
            {"messages": ["one string", "another"]},
            {"input_ids": [101, 2023, 102], "attention_mask": [1, 1, 1]},
        ],
    )
    assert inspect(tmp_path / "data")[1] == {"a.jsonl": []}


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
        ({"text": "ESPAÃ‘A Y CAFÃ‰"}, "encoding: encoding 5 of 100:96: mojibake Ã‘", "encoding"),
        ({"text": "itâ€™s late"}, "encoding: encoding 5 of 100:96: mojibake â€™", "encoding"),
        (_chat(("user", "a question"), ("assistant", "")), "turns: wrong turns 5 of 100:96: an assistant's", "turns"),
        (_chat(("user", "a question"), ("assistant", None)), "turns: wrong turns 5 of 100:96: an assistant's", "turns"),
        (_chat(("user", "a question")), "turns: wrong turns 5 of 100:96: no turn of an assistant", "turns"),
        (_chat(("user", "a question"), ("asistant", "so")), "turns: wrong turns 5 of 100:96: role 'asistant'", "turns"),
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
    assert check(judgement, "truncated").why == "no `max_tokens` is set; the longest record has 40"


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
