"""What several checks ask of the same measurements."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.measurements import Evaluation, Measurements, number
from gonogo.learning.trend import Slope, theil_sen

BLIND = 1e-4  # change of the outputs without the input, in spreads of the targets: rounding, and no more
SHRUNK = 1.5  # slope of targets over outputs: above, the outputs are too small for what the model knows
ALIKE = 1e-3  # distance of a generator's samples from each other, over that of targets: rounding, and no more
BY_HEART = 0.2  # skill on trained samples above that on held-out ones


def learned(measured: Measurements, gate: LearningGate) -> bool:
    """Skill over predicting the mean, on held-out samples, that was not there before the first step.

    A pretrained model may begin with skill; that counts if it depends on the input.
    """
    skill, without = number(measured.end.skill), number(measured.end.skill_without_input)
    if skill is None or skill <= gate.min_skill:
        return False
    before = number(measured.start.skill)
    by_input = without is not None and skill - without >= gate.min_input_skill
    return by_input or before is None or skill - before > gate.min_skill


def shrunk(measured: Measurements) -> bool:
    """Whether the outputs would be better if they were larger: they still grow."""
    return (number(measured.end.calibration) or 0) > SHRUNK


def blind(measured: Measurements) -> bool:
    """Whether the outputs stay the same without the input, though nothing had gone wrong before."""
    change = number(measured.end.output_change)
    return change is not None and change <= BLIND and (number(measured.start.output_change) or 0) <= BLIND


def silenced(measured: Measurements) -> bool:
    """Whether outputs depended on the input at first and no longer do: the network has died."""
    return (
        number(measured.end.output_change) is not None
        and (measured.end.output_change or 0) <= BLIND
        and not blind(measured)
    )


def memorized(measured: Measurements, gate: LearningGate) -> bool:
    """Whether what was learned is of no use on held-out samples, or no longer."""
    seen, skill = number(measured.seen_skill), number(measured.end.skill)
    if seen is None or skill is None or not knows_what_it_saw(measured, gate):
        return False
    return skill <= 0 or bool(lost(measured, gate))


def knows_what_it_saw(measured: Measurements, gate: LearningGate) -> bool:
    """Skill on samples that were trained on, far above that on others: it trains well, on something else."""
    seen, skill = number(measured.seen_skill), number(measured.end.skill)
    return seen is not None and seen > max(BY_HEART, gate.min_skill) and (skill is None or seen - skill > BY_HEART)


def lost(measured: Measurements, gate: LearningGate) -> str:
    """Skill that was there and is gone: less than half of the best is left, beyond the interval of both."""
    known = [e for e in measured.evaluations if number(e.skill) is not None]
    if not known:
        return ""
    best, end = max(known, key=lambda e: e.skill or 0.0), known[-1]
    if best.skill is None or end.skill is None or best.skill <= max(gate.min_skill, 0) or end.skill > best.skill / 2:
        return ""
    high, low = number(end.skill_high), number(best.skill_low)
    if (end.skill > 0) if high is None or low is None else high > low:  # without intervals, only what is gone for good
        return ""
    return f"held-out skill was {best.skill:.2f} at step {best.step} and is {end.skill:.2f} at step {end.step}"


def recent(measured: Measurements) -> list[Evaluation]:
    """The second half of the evaluations, five at least, those before the first step left out."""
    after = [evaluation for evaluation in measured.evaluations if evaluation.step > 0]
    return after[-max(5, (len(after) + 1) // 2) :]


def skill_slope(measured: Measurements) -> Slope | None:
    """Of held-out skill, per step, over the second half of the run; None: fewer than two evaluations."""
    found = [(e.step, e.skill) for e in recent(measured) if number(e.skill) is not None]
    return theil_sen([step for step, _ in found], [skill or 0.0 for _, skill in found])


def rising(measured: Measurements) -> bool:
    slope = skill_slope(measured)
    return slope is not None and slope.low > 0


def falling(measured: Measurements) -> bool:
    slope = skill_slope(measured)
    return slope is not None and slope.high < 0


def paired(measured: Measurements) -> bool:
    """Whether outputs answer targets; a generator's samples do not."""
    return measured.data is None or measured.data.paired


def collapsed(measured: Measurements) -> bool:
    """Whether all samples of a generator are the same."""
    variety = number(measured.end.variety)
    return variety is not None and variety < ALIKE


def unseen(measured: Measurements) -> bool:
    """Whether no module of the model is given anything that depends on the input."""
    return measured.modules_that_see == []


def flat(measured: Measurements) -> bool:
    """Measured, and neither rising nor falling."""
    slope = skill_slope(measured)
    return slope is not None and abs(slope.low) < float("inf") and not rising(measured) and not falling(measured)
