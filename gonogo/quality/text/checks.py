"""What is wrong with documents: file by file, and over all their records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gonogo.config.quality_thresholds import TextGate
from gonogo.quality.acceptance import Decision
from gonogo.quality.fault_counts import Count, counted_check, listed, percent
from gonogo.quality.file_kind import Question
from gonogo.quality.items import Fault
from gonogo.quality.text.items import RecordFault, TextItem
from gonogo.quality.text.overview import TextOverview, beyond
from gonogo.quality.text.statistics import OPENING, reading_digest
from gonogo.verdict import Check, Status

ODD_SHARE = 0.01  # of a file's records of odd length: a warning above
SAID = {
    "json": "no JSON", "cut": "cut", "encoding": "encoding", "control": "control characters",
    "schema": "against the schema", "keys": "keys missing", "empty": "no text",
}  # fmt: skip


def document_faults(item: TextItem, overview: TextOverview, limits: TextGate) -> list[Fault]:
    if item.orphan:
        return [Fault("no_document", "no document of this name")]
    if not item.records:
        return [Fault("no_records", "no records")]
    found = [_of_records(fault, item, limits) for fault in item.faults]
    found += [Fault("no_partner", f"no {Path(item.name).stem}{suffix}") for suffix in item.missing]
    return [*found, *_repeats(item, overview, limits), *_length(item, overview, limits)]


def _of_records(fault: RecordFault, item: TextItem, limits: TextGate) -> Fault:
    """A file is bad where more of its records are than tolerated; one that was cut always is."""
    what = f"{SAID[fault.id]} {fault.count} of {item.records}{item.at(fault.numbers[0])}: {fault.detail}"
    few = item.bad_records <= limits.max_bad_records * item.records
    return Fault(fault.id, what, warns=few and fault.id != "cut")


def _repeats(item: TextItem, overview: TextOverview, limits: TextGate) -> list[Fault]:
    repeats = overview.repeats(item)
    if repeats is None or repeats.count <= limits.max_repeated * item.records:
        return []
    said = f"{repeats.count} of {item.records} were there before{item.at(repeats.number)}"
    # a document of one record is wholly a repeat or not at all: how many there are decides over the set
    return [Fault("repeated", f"{said}, as in {overview.named(repeats.original)}", warns=item.records == 1)]


def _length(item: TextItem, overview: TextOverview, limits: TextGate) -> list[Fault]:
    found = []
    if limits.max_tokens and item.tokens:
        longer = sum(count for tokens, count in item.tokens.items() if tokens > limits.max_tokens)
        if longer > limits.max_truncated * item.records:
            said = f"{longer} of {item.records} over {limits.max_tokens} tokens"
            found.append(Fault("too_long", f"{said}, up to {max(item.tokens)}{item.at(item.longest_at)}"))
    odd = beyond(item.lengths, overview.median_length, limits.max_length_ratio)
    if odd > ODD_SHARE * item.records:
        found.append(Fault("odd_length", f"{odd} of {item.records} of odd length", warns=True))
    return found


def questions(limits: TextGate) -> list[Question]:
    records = f"in more than {100 * limits.max_bad_records:g} % of a document's records (warns below)"
    asked = ", ".join(filter(None, [limits.schema_file, *limits.required_keys])) or "none is named"
    tokens = f"more than {limits.max_tokens} tokens in > {100 * limits.max_truncated:g} % of the records; "
    return [
        Question(
            "json", "JSON", frozenset({"json", "cut"}), f"no JSON {records}, or a last line that is cut",
            "are no whole JSON", "Write these files again, to their end; an interrupted run cuts the last line.",
        ),
        Question(
            "schema", "Records against their schema and keys", frozenset({"schema", "keys"}),
            f"other than asked ({asked}) {records}", "are not as asked", "Mend what wrote them, or the schema.",
        ),
        Question(
            "text_present", "Text in every record", frozenset({"empty", "no_records"}), f"no text {records}",
            "have no text", "Remove these records; name the key of the text in `text_key` where it is another.",
        ),
        Question(
            "encoding", "Encoding and characters", frozenset({"encoding", "control"}),
            f"no UTF-8, U+FFFD, mojibake or control characters {records}", "are wrongly encoded",
            "Read the source in its own encoding and write UTF-8; mojibake is UTF-8 that was read as Windows-1252.",
        ),
        Question(
            "repeats", "Records that were there before", frozenset({"repeated"}),
            f"> {100 * limits.max_repeated:g} % of a document's records", "repeat others",
            "Remove them; records of other ids are the same (`id_keys`).",
        ),
        Question(
            "length", "Length of records", frozenset({"too_long", "odd_length"}),
            f"{tokens if limits.max_tokens else ''}warns: > {100 * ODD_SHARE:g} % of them more than "
            f"{limits.max_length_ratio:g} times longer or shorter than the median", "are too long",
            "Split long records, or raise `max_tokens` with the model's context.",
        ),
        Question(
            "pairing", "Documents and their files", frozenset({"no_partner", "no_document"}),
            f"without {', '.join(limits.paired_with)} of its stem" if limits.paired_with else "none is asked for",
            "lack their partner", "Make the missing files, or remove what is left over.",
        ),
    ]  # fmt: skip


# --- over all records ------------------------------------------------------------------------------------


def record_checks(overview: TextOverview, limits: TextGate, decision: Decision) -> list[Check]:
    """Shares of all records, whatever file they are in."""
    checks = [
        _bad_records(overview, limits, decision),
        _repeated(overview, limits, decision),
        _leakage(overview),
        _tokens(overview, limits, decision),
        _openings(overview, limits),
    ]
    if overview.read_as - {reading_digest(limits)}:
        checks.append(
            Check(
                id="read_as", title="Read as the gate asks", status=Status.UNKNOWN,
                why="the documents were read with another schema, tokenizer, keys or partners than the gate names",
                hint="Measure them again.",
            )
        )  # fmt: skip
    return checks


def _bad_records(overview: TextOverview, limits: TextGate, decision: Decision) -> Check:
    kinds = "; ".join(
        f"{count} {SAID[id]} ({overview.first_fault[id]})" for id, count in overview.faults.most_common(len(SAID))
    )
    return _share(
        "bad_records", "Records with any fault of their own", overview.bad, overview.records, limits.max_bad_records,
        decision, kinds, "`items.csv` has each document's lines.",
    )  # fmt: skip


def _repeated(overview: TextOverview, limits: TextGate, decision: Decision) -> Check:
    exactly = f"{overview.repeated} were there before in their split, {overview.repeated_exactly} of them to the letter"
    return _share(
        "repeated_records", "Records that were there before", overview.repeated, overview.records, limits.max_repeated,
        decision, exactly, "Remove them before the set is split.",
    )  # fmt: skip


def _share(
    id: str, title: str, bad: int, records: int, tolerance: float, decision: Decision, why: str, hint: str
) -> Check:
    """Records are counted, not guessed at: no error of the detector is reckoned with."""
    exact = replace(decision, tolerance=tolerance, false_alarm=0.0, miss=0.0)
    return counted_check(
        Count(records, bad), exact, "record",
        id=id, title=title, asked="", why=f"{bad} of {records} records: {why}" if bad else "", hint=hint,
    )  # fmt: skip


def _leakage(overview: TextOverview) -> Check:
    pairs = [f"{overview.named(one)} = {overview.named(other)}" for one, other in overview.leaks]
    splits = ", ".join(sorted(overview.splits))
    why = f"{overview.leaking} records are in more than one of {splits}: {listed(pairs, overview.leaking)}"
    return Check(
        id="record_leakage",
        title="Records that are in two splits",
        value=overview.leaking if len(overview.splits) > 1 else None,
        unit="records",
        threshold="0, between train, val and test, by the first folder or the file's name",
        status=Status.NO_GO if overview.leaking else Status.GO,
        why=why if overview.leaking else "" if len(overview.splits) > 1 else "there are no two splits",
        hint="Remove them from one side; a score on records that were trained on says nothing."
        if overview.leaking
        else "",
        evidence=pairs,
    )


def _tokens(overview: TextOverview, limits: TextGate, decision: Decision) -> Check:
    title = "Records that would be truncated"
    if not limits.max_tokens:
        longest = f"; the longest record has {overview.longest[0]}" if overview.counted else ""
        why = f"not judged: no `max_tokens` is set{longest}"
        return Check(id="truncated", title=title, status=Status.GO, why=why)
    if overview.uncounted:
        return Check(
            id="truncated", title=title, threshold=f"<= {limits.max_tokens} tokens", status=Status.UNKNOWN,
            why=f"{overview.uncounted} of {overview.records} records were read without a tokenizer",
            hint="Name a tokenizer.json in `tokenizer`, and measure again.",
        )  # fmt: skip
    longer = sum(count for tokens, count in overview.tokens.items() if tokens > limits.max_tokens)
    said = f"over {limits.max_tokens} tokens, up to {overview.longest[0]} in {overview.longest[1]}"
    return _share(
        "truncated", title, longer, overview.records, limits.max_truncated, decision, said,
        "Split long records, or raise `max_tokens` with the model's context.",
    )  # fmt: skip


def _openings(overview: TextOverview, limits: TextGate) -> Check:
    """A warning: a system prompt that all records share is meant, a web page's header is not."""
    opening, count = overview.commonest_opening
    shared = count if count > 1 else 0
    share = shared / overview.records if overview.records else 0.0
    many = share > limits.max_shared_opening
    return Check(
        id="openings",
        title="Records that begin alike",
        value=round(100 * share, 1),
        unit="% of records",
        threshold=f"<= {100 * limits.max_shared_opening:g} % with the same {OPENING} characters",
        status=Status.CAUTION if many else Status.GO,
        why=f"{percent(share)} of the records begin with {opening[:60]!r}" if many else "",
        hint="Is it a template that is meant, or boilerplate to be cut off?" if many else "",
    )
