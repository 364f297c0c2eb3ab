"""What several checks ask of the same measurements."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.measurements import Evaluation, Measurements, number
from gonogo.learning.trend import Slope, theil_sen

BLIND = 1e-4  # change of the outputs without the input, in spreads of the targets: rounding, and no more
SHRUNK = 1.5  # slope of targets over outputs: above, the outputs are too small for what the model knows
BY_HEART = 0.2  # skill on trained samples above that on held-out ones


def learned(m: Measurements, gate: LearningGate) -> bool:
    """Skill over predicting the mean, on held-out samples, that was not there before the first step.

    A pretrained model may begin with skill; then it is its own if it takes the input.
    """
    skill, without = number(m.skill), number(m.skill_without_input)
    if skill is None or skill <= gate.min_skill:
        return False
    before = number(m.evaluations[0].skill) if m.evaluations else None
    by_input = without is not None and skill - without >= gate.min_input_skill
    return by_input or before is None or skill - before > gate.min_skill


def shrunk(m: Measurements) -> bool:
    """Whether the outputs would be better if they were larger: they still grow."""
    return (number(m.calibration) or 0) > SHRUNK


def blind(m: Measurements) -> bool:
    """Whether the outputs stay the same without the input, though nothing had gone wrong before."""
    if number(m.output_change) is None or (m.output_change or 0) > BLIND:
        return False
    return not m.evaluations or (number(m.evaluations[0].output_change) or 0) <= BLIND


def silenced(m: Measurements) -> bool:
    """Whether outputs hung on the input at first and no longer do: the network has died."""
    return number(m.output_change) is not None and (m.output_change or 0) <= BLIND and not blind(m)


def memorized(m: Measurements, gate: LearningGate) -> bool:
    seen, skill = number(m.seen_skill), number(m.skill)
    return seen is not None and skill is not None and skill <= 0 and seen > gate.min_skill and seen - skill > BY_HEART


def recent(m: Measurements) -> list[Evaluation]:
    """The second half of the evaluations, five at least, those before the first step left out."""
    after = [evaluation for evaluation in m.evaluations if evaluation.step > 0]
    return after[-max(5, (len(after) + 1) // 2) :]


def skill_slope(m: Measurements) -> Slope | None:
    """Of held-out skill, per step, over the second half of the run; None: fewer than two evaluations."""
    found = [(e.step, e.skill) for e in recent(m) if number(e.skill) is not None]
    return theil_sen([step for step, _ in found], [skill or 0.0 for _, skill in found])


def rising(m: Measurements) -> bool:
    slope = skill_slope(m)
    return slope is not None and slope.low > 0


def falling(m: Measurements) -> bool:
    slope = skill_slope(m)
    return slope is not None and slope.high < 0


def unseen(m: Measurements) -> bool:
    """Whether no module of the model is given anything that hangs on the input."""
    return m.modules_that_see == []


def flat(m: Measurements) -> bool:
    """Measured, and neither rising nor falling."""
    slope = skill_slope(m)
    return slope is not None and abs(slope.low) < float("inf") and not rising(m) and not falling(m)
