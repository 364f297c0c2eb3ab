"""What is wrong with documents: file by file, and over all their records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gonogo.config.quality_thresholds import TextGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.fault_counts import FaultCount, FaultGroup, counted_check
from gonogo.quality.items import Fault
from gonogo.quality.text.items import RecordFault, TextItem
from gonogo.quality.text.overview import TextOverview, beyond
from gonogo.quality.text.statistics import OPENING, reading_digest
from gonogo.quality.wording import listed, percent
from gonogo.verdict import Check, Status, not_measured

ODD_SHARE = 0.01  # of a file's records of odd length: a warning above
WORDS = {
    "json": "not JSON", "cut": "cut", "encoding": "encoding", "control": "control characters",
    "schema": "against the schema", "keys": "keys missing", "empty": "no text",
    "turns": "wrong turns",
}  # fmt: skip
SPLIT_LONG = "Split long records, or raise `max_tokens` with the model's context."


def document_faults(item: TextItem, overview: TextOverview, limits: TextGate) -> list[Fault]:
    if item.orphan:
        return [Fault("no_document", "no document of this name")]
    if not item.records:
        return [Fault("no_records", "no records")]
    faults = [_of_records(fault, item, limits) for fault in item.faults]
    faults += [Fault("no_partner", f"no {Path(item.name).stem}{suffix}") for suffix in item.missing]
    return [*faults, *_repeats(item, overview, limits), *_length(item, overview, limits)]


def _of_records(fault: RecordFault, item: TextItem, limits: TextGate) -> Fault:
    """A file is bad where more of its records are than tolerated; one that was cut always is."""
    what = f"{WORDS[fault.id]} {fault.count} of {item.records}{item.at(fault.numbers[0])}: {fault.detail}"
    few = item.bad_records <= limits.max_bad_records * item.records
    return Fault(fault.id, what, warns=few and fault.id != "cut")


def _repeats(item: TextItem, overview: TextOverview, limits: TextGate) -> list[Fault]:
    repeats = overview.repeats(item)
    if repeats is None or repeats.count <= limits.max_repeated * item.records:
        return []
    what = f"{repeats.count} of {item.records} repeat earlier ones{item.at(repeats.number)}"
    # a document of one record is wholly a repeat or not at all: how many there are decides over the set
    return [Fault("repeated", f"{what}, as in {overview.named(repeats.original)}", warns=item.records == 1)]


def _length(item: TextItem, overview: TextOverview, limits: TextGate) -> list[Fault]:
    faults = []
    if limits.max_tokens and item.tokens:
        longer = sum(count for tokens, count in item.tokens.items() if tokens > limits.max_tokens)
        if longer > limits.max_truncated * item.records:
            what = f"{longer} of {item.records} over {limits.max_tokens} tokens"
            faults.append(Fault("too_long", f"{what}, up to {max(item.tokens)}{item.at(item.longest_at)}"))
    odd = beyond(item.lengths, overview.median_length, limits.max_length_ratio)
    if odd > ODD_SHARE * item.records:
        faults.append(Fault("odd_length", f"{odd} of {item.records} of odd length", warns=True))
    return faults


def fault_groups(limits: TextGate) -> list[FaultGroup]:
    records = f"in more than {100 * limits.max_bad_records:g} % of a document's records (fewer: a warning)"
    required = ", ".join(filter(None, [limits.schema_file, *limits.required_keys])) or "nothing is required"
    tokens = f"more than {limits.max_tokens} tokens in > {100 * limits.max_truncated:g} % of the records; "
    return [
        FaultGroup(
            "json", "JSON", {"json", "cut"}, f"not JSON {records}, or a last line that is cut off",
            "are not whole JSON", "Write these files again, to their end; an interrupted run cuts the last line.",
        ),
        FaultGroup(
            "schema", "Records against their schema and keys", {"schema", "keys"},
            f"does not match ({required}) {records}", "do not match the schema or lack keys",
            "Fix what wrote them, or the schema.",
        ),
        FaultGroup(
            "text_present", "Text in every record", {"empty", "no_records"}, f"no text {records}", "have no text",
            "Remove these records; if the text is under another key, name it in `text_key`.",
        ),
        FaultGroup(
            "turns", "Chats with an assistant's turns", {"turns"},
            f"no turns, a misspelt role, none of an assistant, or an empty one {records}", "lack an assistant's turns",
            "Write `role` (or `from`) and `content` (or `value`) of every turn; a chat without an answer teaches none.",
        ),
        FaultGroup(
            "encoding", "Encoding and characters", {"encoding", "control"},
            f"not UTF-8, U+FFFD, mojibake or control characters {records}", "are wrongly encoded",
            "Read the source in its own encoding and write UTF-8; mojibake is UTF-8 that was read as Windows-1252.",
        ),
        FaultGroup(
            "repeats", "Records that repeat earlier ones", {"repeated"},
            f"> {100 * limits.max_repeated:g} % of a document's records", "repeat others",
            "Remove them; records that differ only in their ids are the same (`id_keys`).",
        ),
        FaultGroup(
            "length", "Length of records", {"too_long", "odd_length"},
            f"{tokens if limits.max_tokens else ''}warns: > {100 * ODD_SHARE:g} % of them more than "
            f"{limits.max_length_ratio:g} times longer or shorter than the median", "are too long", SPLIT_LONG,
        ),
        FaultGroup(
            "pairing", "Documents and their files", {"no_partner", "no_document"},
            f"without {', '.join(limits.paired_with)} of its stem" if limits.paired_with else "nothing is required",
            "lack their partner", "Make the missing files, or remove what is left over.",
        ),
    ]  # fmt: skip


# --- over all records ---


def record_checks(overview: TextOverview, limits: TextGate, rule: AcceptanceRule) -> list[Check]:
    """Shares of all records, whatever file they are in."""
    checks = [
        _bad_records(overview, limits, rule),
        _repeated(overview, limits, rule),
        _leakage(overview),
        _tokens(overview, limits, rule),
        _openings(overview, limits),
    ]
    if overview.read_as - {reading_digest(limits)}:
        checks.append(
            Check(
                id="read_as", title="Read as the gate requires", status=Status.UNKNOWN,
                why="the documents were read with another schema, tokenizer, keys or partners than the gate names",
                hint="Measure them again.",
            )
        )  # fmt: skip
    return checks


def _bad_records(overview: TextOverview, limits: TextGate, rule: AcceptanceRule) -> Check:
    kinds = "; ".join(
        f"{count} {WORDS[id]} ({overview.first_fault[id]})" for id, count in overview.faults.most_common(len(WORDS))
    )
    return _share(
        "bad_records", "Records with any fault of their own", overview.bad, overview.records, limits.max_bad_records,
        rule, kinds, "`items.csv` has each document's lines.",
    )  # fmt: skip


def _repeated(overview: TextOverview, limits: TextGate, rule: AcceptanceRule) -> Check:
    exactly = f"{overview.repeated} repeat one in their split, {overview.repeated_exactly} of them to the letter"
    return _share(
        "repeated_records", "Records that repeat earlier ones", overview.repeated, overview.records,
        limits.max_repeated, rule, exactly, "Remove them before the set is split.",
    )  # fmt: skip


def _share(
    id: str, title: str, bad: int, records: int, tolerance: float, rule: AcceptanceRule, why: str, hint: str
) -> Check:
    """Records are counted, not estimated: the detector's errors do not apply."""
    exact = replace(rule, tolerance=tolerance, false_alarm=0.0, miss=0.0)
    why = f"{bad} of {records} records: {why}" if bad else ""
    return counted_check(
        FaultCount(records, bad), exact, "record", id=id, title=title, criterion="", why=why, hint=hint
    )


def _leakage(overview: TextOverview) -> Check:
    id_, title = "record_leakage", "Records that are in two splits"
    threshold = "0, between train, val and test, by the first folder or the file's name"
    if len(overview.splits) < 2:
        return not_measured(id_, title, "there are no two splits", threshold=threshold)
    pairs = [f"{overview.named(first)} = {overview.named(second)}" for first, second in overview.leaks]
    splits = ", ".join(sorted(overview.splits))
    why = f"{overview.leaking} records are in more than one of {splits}: {listed(pairs, overview.leaking)}"
    hint = "Remove them from one side; a score on records that were trained on means nothing."
    return Check(
        id=id_, title=title, value=overview.leaking, unit="records", threshold=threshold,
        status=Status.NO_GO if overview.leaking else Status.GO, why=why if overview.leaking else "",
        hint=hint if overview.leaking else "", evidence=pairs,
    )  # fmt: skip


def _tokens(overview: TextOverview, limits: TextGate, rule: AcceptanceRule) -> Check:
    title = "Records that would be truncated"
    if not limits.max_tokens:
        longest = f"; the longest record has {overview.longest[0]}" if overview.counted else ""
        return not_measured("truncated", title, f"no `max_tokens` is set{longest}")
    if overview.uncounted:
        return Check(
            id="truncated", title=title, threshold=f"<= {limits.max_tokens} tokens", status=Status.UNKNOWN,
            why=f"{overview.uncounted} of {overview.records} records were read without a tokenizer",
            hint="Name a tokenizer.json in `tokenizer`, and measure again.",
        )  # fmt: skip
    longer = sum(count for tokens, count in overview.tokens.items() if tokens > limits.max_tokens)
    what = f"over {limits.max_tokens} tokens, up to {overview.longest[0]} in {overview.longest[1]}"
    return _share("truncated", title, longer, overview.records, limits.max_truncated, rule, what, SPLIT_LONG)


def _openings(overview: TextOverview, limits: TextGate) -> Check:
    """A warning: a system prompt that all records share is meant, a web page's header is not."""
    opening, count = overview.commonest_opening
    share = count / overview.records if count > 1 and overview.records else 0.0
    many = share > limits.max_shared_opening
    return Check(
        id="openings", title="Records that begin alike", value=round(100 * share, 1), unit="% of records",
        threshold=f"<= {100 * limits.max_shared_opening:g} % with the same {OPENING} characters",
        status=Status.CAUTION if many else Status.GO,
        why=f"{percent(share)} of the records begin with {opening[:60]!r}" if many else "",
        hint="Is it an intended template, or boilerplate to be removed?" if many else "",
    )  # fmt: skip
