"""What only all rows of a set of tables show: splits that share rows, the target, and columns that give it away."""

from __future__ import annotations

from gonogo.config.table_thresholds import TablesGate
from gonogo.quality.tables.items import TableOverview
from gonogo.quality.wording import listed, percent
from gonogo.verdict import Check, Status, not_measured

FEWEST = 20  # rows of a split, from which on a share says something


def set_checks(overview: TableOverview, gate: TablesGate) -> list[Check]:
    return [_leakage(overview, gate), _target(overview, gate), _copies(overview)]


def _leakage(overview: TableOverview, gate: TablesGate) -> Check:
    """Rows whose features stand in two splits, beyond the share that stands twice within a split by nature."""
    id_, title = "row_leakage", "Rows that are in one split"
    threshold = f"<= {percent(gate.max_leaked_rows)} beyond what repeats within a split"
    if len(overview.rows_hashes.splits) < 2:
        return not_measured(id_, title, "there are no two splits", threshold=threshold)
    shared, of, files = overview.rows_hashes.shared()
    natural = overview.rows_hashes.within()
    share = shared / of if of else 0.0
    leaks = share > natural + gate.max_leaked_rows and (of >= FEWEST or share == 1)
    why = f"{shared} of {of} rows that were compared ({percent(share)}) are in another split: {' and '.join(files)}"
    status = Status.NO_GO if leaks else Status.CAUTION if shared else Status.GO
    natural_why = f"{why}; as many repeat within one ({percent(natural)})" if shared else ""
    return Check(
        id=id_, title=title, value=round(100 * share, 2), unit="% of rows", threshold=threshold,
        status=status, why=why if leaks else natural_why,
        hint="Remove repeated rows before the table is split; split by person, day or place." if shared else "",
        evidence=files if shared else [],
    )  # fmt: skip


def _target(overview: TableOverview, gate: TablesGate) -> Check:
    """Whether there is something to predict in every row, and of more than one sort."""
    title = "The target has a value, and more than one"
    if not overview.targets:
        why = "no column is called target, label, class or y; name it in gates.quality.tables.target"
        return not_measured("target", title, why)
    name = overview.targets.most_common(1)[0][0]
    missing, counts = overview.target_missing / max(overview.rows, 1), overview.classes
    rarest, most = (min(counts.values()), max(counts.values())) if counts else (0, 0)
    status, why, hint = Status.GO, f"{name!r}: {len(counts)} values" if counts else f"{name!r}", ""
    if missing > gate.max_missing_targets:
        status, why = Status.NO_GO, f"{percent(missing)} of the rows have no {name!r}"
        hint = "Leave these rows out, or find their targets."
    elif len(counts) == 1:
        status, why = Status.NO_GO, f"every {name!r} is {next(iter(counts))!r}"
        hint = "There is nothing to tell apart: look for a filter that left one class."
    elif counts and most > gate.max_imbalance * rarest:
        least = min(counts, key=lambda value: counts[value])
        status = Status.CAUTION
        why = f"of {name!r}, {least!r} is in {rarest} rows, {counts.most_common(1)[0][0]!r} in {most}"
        hint = "Judge by a score that rare classes count in; weight or sample them."
    return Check(
        id="target", title=title, value=round(100 * missing, 2), unit="% of rows without one",
        threshold=f"<= {percent(gate.max_missing_targets)}; two values or more; warns over {gate.max_imbalance:g} to 1",
        status=status, why=why, hint=hint,
    )  # fmt: skip


def _copies(overview: TableOverview) -> Check:
    """Columns that say the target in every file; those that are its name, by their own, are a warning."""
    always = [name for name, count in overview.copies.items() if count == overview.files]
    target = overview.targets.most_common(1)[0][0] if overview.targets else ""
    named = [name for name in always if _is_named_like(name, target)]
    copies = [name for name in always if name not in named]
    status = Status.NO_GO if copies else Status.CAUTION if named else Status.GO
    why = f"{listed(copies or named, most=5)} gives {target!r} away: each of its values stands with one target"
    return Check(
        id="target_copied", title="No column says the target", value=len(always), unit="columns",
        threshold="none whose values stand one to one with the target's",
        status=status, why=why if always else "", hint="Leave it out of the inputs." if always else "",
    )  # fmt: skip


def _is_named_like(name: str, target: str) -> bool:
    """`class_name`, `label_id`, `target_names` beside `class`, `label`, `target`."""
    small = name.lower()
    return target.lower() in small or any(word in small for word in ("label", "class", "target", "species"))
