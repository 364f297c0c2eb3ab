"""The quality gate on one folder, without a workflow: what `gonogo inspect` does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from gonogo.base.errors import UserError
from gonogo.base.files import replacing
from gonogo.config.load import validate
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import Progress, measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.outputs import Outputs, writing_outputs
from gonogo.quality.recognise import recognised
from gonogo.quality.registry import kind_of
from gonogo.quality.table import RowSink
from gonogo.verdict import Status, Verdict, decide

LISTED = 10  # worst files that are named
NOTHING = Outputs()


@dataclass(frozen=True)
class Inspection:
    """What was found.

    Attributes:
        worst: rows of the table: `path`, `status`, `checks`, `reasons` and every statistic.
        kinds: that were judged, and what says so where they were recognised: `images: 12 .png`.
    """

    verdict: Verdict
    worst: list[dict[str, Any]]
    kinds: tuple[str, ...] = ()


def check_data(folder: str | Path, kind: str = "", gate: QualityGate | None = None) -> Verdict:
    """Whether the data in a folder is worth training on: what `gonogo inspect` prints, as a value.

    Args:
        kind: images, views, text, points, volumes, series, tables, shards or files; empty: it is recognised.
        gate: thresholds; the defaults where there are none.

    Raises:
        UserError: there is no such folder, nothing of this kind in it, or no kind can be told.
    """
    return inspect(Path(folder), kind, gate).verdict


def inspect(
    folder: Path,
    kind_name: str = "",
    gate: QualityGate | None = None,
    *,
    sampled: bool = False,
    json_file: Path | None = None,
    outputs: Outputs = NOTHING,
    progress: Progress | None = None,
) -> Inspection:
    """Measure and judge every item below `folder`, of one kind, or of every kind that is recognised in it.

    Args:
        kind_name: empty: recognised. Of several kinds, one verdict is about all.
        gate: thresholds; the defaults where there are none.
        sampled: the folder holds a sample, and the verdict is about the larger set that it was drawn from.
        json_file: gets the verdict and, for every file, its path, status and the checks that fired.
        outputs: of several kinds, files of their own, with the kind in their names.

    Raises:
        UserError: there is no such folder, nothing of this kind in it, or no kind can be told.
    """
    gate = gate or QualityGate()
    found = [] if kind_name else recognised(folder)
    kinds = [one.kind for one in found] or [kind_name]
    parts: list[_Part] = []
    with ExitStack() as stack:
        listing = None
        if json_file:
            listing = _Listing(stack.enter_context(stack.enter_context(replacing(json_file)).open("w")))
        for name in kinds:
            other = frozenset[str]().union(*(one.suffixes for one in found if one.kind != name))
            own = outputs.of_kind(name) if len(kinds) > 1 else outputs
            parts.append(_judged(folder, name, gate, sampled, other, own, listing.add if listing else None, progress))
        verdict = _verdict(folder, sampled, parts)
        worst = [row for part in parts for row in part.worst][:LISTED]
        if listing:
            listing.close(verdict, worst)
    return Inspection(verdict, worst, tuple(f"{one.kind}: {one.why}" for one in found) or (kind_name,))


@dataclass(frozen=True)
class _Part:
    """One kind of a folder, judged."""

    kind: str
    data: MeasuredSet
    judgement: Judgement
    worst: list[dict[str, Any]]


def _judged(
    folder: Path,
    name: str,
    gate: QualityGate,
    sampled: bool,
    other: Set[str],
    outputs: Outputs,
    listed: RowSink | None,
    progress: Progress | None,
) -> _Part:
    """
    Args:
        other: endings of files that are judged as another kind.
        listed: called with every row of the table.
    """
    kind = kind_of(name)
    with tempfile.TemporaryDirectory(prefix="gonogo-") as scratch:
        measured = Path(scratch) / "measured"
        measure_part(kind.configured(gate), folder, measured, progress, elsewhere=other)
        data = MeasuredSet.read(measured).without(other)
        with writing_outputs(data, gate, outputs, [listed] if listed else []) as writer:
            judgement = judge(data, gate, sampled, writer.add)
            writer.draw(judgement)
    worst = [row for finding in judgement.worst for row in kind.rows(finding) if row["checks"]][:LISTED]
    return _Part(name, data, judgement, worst)


def _verdict(folder: Path, sampled: bool, parts: Sequence[_Part]) -> Verdict:
    """One verdict about all kinds; of several, each check says of which."""
    several = len(parts) > 1
    checks = [
        check.model_copy(update={"id": f"{part.kind}_{check.id}", "title": f"{part.kind}: {check.title}"})
        if several
        else check
        for part in parts
        for check in part.judgement.checks
    ]
    covered = "; ".join(f"{part.kind}: {part.judgement.covered}" for part in parts)
    gravest = max(parts, key=lambda part: (part.judgement.status is Status.NO_GO, bool(part.judgement.cause)))
    return decide(
        checks,
        covered=covered if several else parts[0].judgement.covered,
        gate="quality",
        experiment=str(folder),
        scope="sample" if sampled else "",
        cause=gravest.judgement.cause,
        measured_at=max(part.data.measured_at for part in parts),
        inputs_digest=parts[0].data.inputs_digest,
        more=max(part.judgement.more for part in parts),
    )


def read_gate(path: Path) -> QualityGate:
    """Thresholds from a YAML file with the keys of `gates.quality`.

    Raises:
        UserError: it cannot be read, or a key or value is wrong; names it.
    """
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    gate = validate(QualityGate, values or {}, str(path), "")
    assert isinstance(gate, QualityGate)
    return gate


class _Listing:
    """A JSON object that grows by a file with each row: `{"items": […], "worst": […], "verdict": {…}}`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._comma = stream, ""
        stream.write('{"items": [\n')

    def add(self, row: dict[str, Any]) -> None:
        entry = {key: row[key] for key in ("path", "item", "item_bad", "status")}
        entry |= {"checks": row["checks"].split(), "reasons": list(filter(None, row["reasons"].split("; ")))}
        self._stream.write(self._comma + json.dumps(entry))
        self._comma = ",\n"

    def close(self, verdict: Verdict, worst: list[dict[str, Any]]) -> None:
        self._stream.write('\n],\n"worst": ' + json.dumps(worst) + ',\n"verdict": ' + verdict.model_dump_json() + "}\n")
