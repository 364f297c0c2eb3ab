"""The quality gate: is the data worth training on?"""

from __future__ import annotations

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.items import FindingSink
from gonogo.quality.judgement import Judgement
from gonogo.quality.left_out import coverage
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.verdict import Status

Measurements = MeasuredSet


def judge(
    data: MeasuredSet, gate: QualityGate, sampled: bool = False, each: FindingSink = lambda finding: None
) -> Judgement:
    """Hold what was measured against the thresholds. Pure: no data file is opened.

    Args:
        sampled: the items are a sample of a larger set, and the verdict is about that set; unless they are all of it.
        each: called with every item's finding, in the order of the scan.
    """
    sampled = sampled and not data.whole
    rule = AcceptanceRule(gate.max_bad_items, gate.false_alarm_rate, gate.miss_rate, sampled, gate.max_sample_items)
    judgement = kind_of(data.kind).judge(data, gate, rule, each)
    covered = coverage(data.files, data.left_out, gate)
    judgement.checks.append(covered)
    judgement.covered = "; ".join(filter(None, [covered.why, judgement.covered]))
    if judgement.status is Status.NO_GO or covered.status is Status.UNKNOWN:
        judgement.more = 0  # whatever more items show
    return judgement
