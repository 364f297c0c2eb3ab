"""The quality gate on one folder, without a workflow: what `gonogo inspect` does."""

from __future__ import annotations

import json
import tempfile
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
from gonogo.quality.measure import Progress, measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.outputs import Outputs, writing_outputs
from gonogo.quality.registry import kind_of
from gonogo.verdict import Verdict, decide

LISTED = 10  # worst files that are named
NOTHING = Outputs()


@dataclass(frozen=True)
class Inspection:
    """What was found. `worst` are rows of the table: `path`, `status`, `checks`, `reasons` and every statistic."""

    verdict: Verdict
    worst: list[dict[str, Any]]


def check_data(folder: str | Path, kind: str, gate: QualityGate | None = None) -> Verdict:
    """Whether the data in a folder is worth training on: what `gonogo inspect` prints, as a value.

    Args:
        kind: images, views, text, points, volumes or series.
        gate: thresholds; the defaults where there are none.

    Raises:
        UserError: there is no such folder, or nothing of this kind in it.
    """
    return inspect(Path(folder), kind, gate).verdict


def inspect(
    folder: Path,
    kind_name: str,
    gate: QualityGate | None = None,
    *,
    sampled: bool = False,
    json_file: Path | None = None,
    outputs: Outputs = NOTHING,
    progress: Progress | None = None,
) -> Inspection:
    """Measure and judge every item below `folder`.

    Args:
        gate: thresholds; the defaults where there are none.
        sampled: the folder holds a sample, and the verdict is about the larger set that it was drawn from.
        json_file: gets the verdict and, for every file, its path, status and the checks that fired.

    Raises:
        UserError: there is no such folder, or nothing of this kind in it.
    """
    kind, gate = kind_of(kind_name), gate or QualityGate()
    with tempfile.TemporaryDirectory(prefix="gonogo-") as scratch, ExitStack() as stack:
        measured = Path(scratch) / "measured"
        measure_part(kind.configured(gate), folder, measured, progress)
        data = MeasuredSet.read(measured)
        listing = None
        if json_file:
            listing = _Listing(stack.enter_context(stack.enter_context(replacing(json_file)).open("w")))
        with writing_outputs(data, gate, outputs, [listing.add] if listing else []) as writer:
            judgement = judge(data, gate, sampled, writer.add)
            writer.draw(judgement)
        verdict = decide(
            judgement.checks,
            covered=judgement.covered,
            gate="quality",
            experiment=str(folder),
            scope="sample" if sampled else "",
            cause=judgement.cause,
            measured_at=data.measured_at,
            inputs_digest=data.inputs_digest,
            more=judgement.more,
        )
        worst = [row for finding in judgement.worst for row in kind.rows(finding) if row["checks"]][:LISTED]
        if listing:
            listing.close(verdict, worst)
    return Inspection(verdict, worst)


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
