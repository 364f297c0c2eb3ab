"""Checks of the learning gate on the data, as the dataloaders give it. Each gives its check and the cause."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.derived import blind, learned, memorized, rising
from gonogo.learning.empty_checks import examples
from gonogo.learning.measurements import Measurements, number
from gonogo.verdict import Check, Status, not_measured, threshold_check

NOISE_AUTOCORRELATION, PICTURE_AUTOCORRELATION = 0.1, 0.5  # of targets, where inputs have at least the second
INDEPENDENT_P = 0.01
GIVEN_AWAY = 0.8  # of a target's runs of values stand in its own input
TELLS = 0.9999  # correlation of an input's column with the target; of good tables up to 0.989
MORE_THAN_WITHIN = 1.5  # copies across the split over those within training
FEWEST_DISTINCT = 0.1  # share of distinct samples; one input may have many targets
FEWEST_SAMPLES = 64
OTHER_MEAN = 2.0  # of held-out inputs from that of training inputs, in spreads of these
OTHER_SPREAD = 4.0  # of held-out inputs over training inputs, or the other way round; of good sets up to 1.4
MUCH_EASIER = 0.2  # skill on held-out samples above that on trained ones


def readable(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    data = measured.data
    if data is None:
        return None
    inputs, targets = data.bad_inputs, data.bad_targets
    left_out = "leaves out" in measured.stopped
    if measured.bad_batch:
        inputs, targets = (
            max(inputs, int(measured.bad_batch == "inputs")),
            max(targets, int(measured.bad_batch == "targets")),
        )
    what = " and ".join(f"{n} {name}" for n, name in ((inputs, "inputs"), (targets, "targets")) if n)
    check = threshold_check(
        "data_finite",
        "Samples with NaN or infinity",
        inputs + targets,
        "0",
        inputs + targets == 0,
        why="a batch has no target that is learned from, so that its loss is NaN: masked labels, or an answer cut off"
        if left_out and not data.bad_targets
        else f"{what} hold NaN or infinity: the loss of their batch is NaN, whatever the learning rate"
        f"{examples(data, 'bad')}",
        hint="Find them with torch.isfinite in the dataset; fix them or leave them out.",
    )
    return check, "DATA"


def brightness(measured: Measurements, gate: LearningGate) -> tuple[Check, str]:
    title, threshold = "Targets against inputs, mean", f">= {gate.min_target_input_ratio}"
    data = measured.data
    if data is not None and not data.comparable:
        why = "inputs and targets are no comparable quantities"
        return not_measured("target_brightness", title, why, threshold=threshold), ""
    x, y = number(data.input_mean) if data else None, number(measured.end.target_mean)
    if data is None or x is None or y is None:
        return threshold_check("target_brightness", title, None, threshold, None, why="not measured"), ""
    ratio = (y - data.zero) / max(abs(x - data.zero), 1e-9)
    check = threshold_check(
        "target_brightness",
        title,
        round(ratio, 4),
        threshold,
        ratio >= gate.min_target_input_ratio,
        why=f"the targets are dark: their mean is {y:.3f} against {x:.3f} at the input; a model of them learns black",
        hint="Open the contact sheet. Fix the data first; more epochs cannot make a model brighter than its targets.",
    )
    return check, "DATA"


def variety(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    data = measured.data
    if data is None:
        return None
    check = threshold_check(
        "target_variety",
        "Targets differ from each other",
        data.targets_vary,
        "any two",
        data.targets_vary,
        why="every target is the same: there is nothing to learn",
        hint="Look at what the dataset returns as its target.",
    )
    return check, "DATA"


def noise(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Only where nothing was learned: noise-like targets that can be predicted are no fault."""
    data = measured.data
    if data is None or data.target_autocorrelation is None or data.input_autocorrelation is None:
        return None
    y, x = data.target_autocorrelation, data.input_autocorrelation
    noisy = y < NOISE_AUTOCORRELATION and x >= PICTURE_AUTOCORRELATION
    check = threshold_check(
        "target_noise",
        "Lag-1 autocorrelation of the targets",
        round(y, 3),
        f">= {NOISE_AUTOCORRELATION}, or learned anyway",
        not noisy or learned(measured, gate),
        why=f"neighbouring values of the targets have nothing to do with each other (autocorrelation {y:.2f}, {x:.2f} "
        "in the inputs): they are noise, which no model can predict",
        hint="Look at the targets, and fix what makes them.",
    )
    return check, "DATA"


def given_away(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Too good to be true: the input holds the answer."""
    data = measured.data
    if data is None or (data.target_in_input is None and data.telling_correlation is None):
        return None
    share, tells = data.target_in_input or 0.0, data.telling_correlation or 0.0
    why = ""
    if share >= GIVEN_AWAY:
        why = f"{share:.0%} of each target's values stand in its own input, to the bit: the model only has to copy them"
    elif tells >= TELLS:
        why = f"column {data.telling_column} of the input is the target (correlation {tells:.4f}): the model only has "
        why += "to copy it"
    check = threshold_check(
        "target_in_input",
        "Targets are not in the inputs",
        round(share if share >= GIVEN_AWAY or not tells else tells, 4),
        f"< {GIVEN_AWAY:g} of the values, < {TELLS:g} correlation",
        not why,
        why=why,
        hint="Take it out of the inputs. Where the model is meant to keep part of its input, have it predict the rest "
        "alone.",
    )
    return check, "LEAKAGE"


def leakage(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    data = measured.data
    if data is None:
        return None
    exact, near, groups = data.exact_copies, data.near_copies, data.shared_group_count
    title, threshold = "Held-out samples also trained on", f"<= {gate.max_leaked_share:g} of them"
    if exact is None and not groups and not data.copied_targets and not data.overlapping:
        return not_measured("leakage", title, "samples this small recur by chance", threshold=threshold), ""
    held_out = max(1, data.held_out_samples)
    if data.recurring is not None and (exact or 0) / held_out <= MORE_THAN_WITHIN * data.recurring:
        exact = near = 0  # as often as within the training set: they recur by chance
    exact, near = exact or 0, near or 0
    targets, overlapping = max(0, data.copied_targets - exact - near), data.overlapping or 0
    share = max((exact + near + targets) / held_out, overlapping / held_out)
    parts = (
        [f"{exact} of {data.held_out_samples} held-out samples are in the training set, to the bit"] if exact else []
    )
    parts += [f"{near} are near copies of training samples"] if near else []
    parts += [f"{targets} have the target of a training sample, to the bit"] if targets else []
    parts += [f"{overlapping} of {held_out} windows overlap a training window"] if overlapping else []
    parts += [f"{groups} groups are on both sides ({', '.join(data.shared_groups)})"] if groups else []
    part = "" if data.read_all else f" (compared with {data.train_samples} training samples, not all)"
    check = threshold_check(
        "leakage",
        title,
        round(share, 4),
        threshold,
        share <= gate.max_leaked_share and not groups,
        why="; ".join(parts) + f": validation figures say nothing{part}{examples(data, 'leaked')}",
        hint="Split by whole items, subjects or photographs, before anything is cut from them.",
    )
    return check, "LEAKAGE"


def held_out_easier(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """A warning and no more: held-out items may be easier by chance."""
    seen, skill = number(measured.seen_skill), number(measured.end.skill)
    if seen is None or skill is None:
        return None
    gain = skill - seen
    odd = gain > MUCH_EASIER and skill > gate.min_skill
    check = Check(
        id="held_out_easier",
        title="Held-out skill above that on trained samples",
        value=round(gain, 3),
        threshold=f"<= {MUCH_EASIER:g}",
        status=Status.CAUTION if odd else Status.GO,
        why=f"validation is far better than training: skill {skill:.2f} on held-out samples, {seen:.2f} on trained ones"
        if odd
        else "",
        hint="Look for held-out items that are easier, few, or copies of each other; for what leaks into inputs."
        if odd
        else "",
    )
    return check, ""


def variety_of_inputs(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    data = measured.data
    if data is None:
        return None
    check = threshold_check(
        "input_variety",
        "Inputs differ from each other",
        data.inputs_vary,
        "any two",
        data.inputs_vary,
        why="the model gets the same input for every sample: there is nothing to tell its targets apart by",
        hint="Look at what the dataset returns as its input: is it read, and is it not zeroed?",
    )
    return check, "DATA"


def repeated(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """The same few samples, input and target, again and again, where they cannot recur by chance."""
    data = measured.data
    if data is None or data.distinct_samples is None or data.recurring is not None or not data.inputs_vary:
        return None
    few = data.distinct_samples < FEWEST_DISTINCT and data.train_samples >= FEWEST_SAMPLES
    check = threshold_check(
        "distinct_samples",
        "Distinct training samples",
        round(data.distinct_samples, 3),
        f">= {FEWEST_DISTINCT:g} of those that were read",
        not few,
        why=f"the training loader gives {round(data.distinct_samples * data.train_samples)} different samples in "
        f"{data.train_samples}: the model is shown the same again and again",
        hint="Look at the dataset's index, and at how batches are drawn.",
    )
    return check, "DATA"


def held_out_alike(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Held-out samples that are of another kind than training samples, so that no figure of them says anything."""
    data = measured.data
    if data is None or not data.targets_vary:
        return None
    ratio, why = data.spread_of_held_out, ""
    if not data.held_out_targets_vary:
        why = f"all {data.held_out_samples} held-out targets are the same, and training targets are not"
        hint = "Shuffle before splitting, or split each class: the held-out part holds one of them."
    elif ratio is not None and not 1 / OTHER_SPREAD <= ratio <= OTHER_SPREAD:
        why = f"the spread of held-out inputs is {ratio:.3g} times that of training inputs"
        hint = "Both sides need the same preparation: normalise validation inputs as training inputs are."
    elif (data.shift_of_held_out or 0) > OTHER_MEAN:
        why = f"the mean of held-out inputs lies {data.shift_of_held_out:.3g} spreads from that of training inputs"
        hint = "Both sides need the same preparation: normalise validation inputs as training inputs are."
    else:
        hint = ""
    check = threshold_check(
        "held_out_alike",
        "Held-out samples are like training samples",
        None if ratio is None else round(ratio, 3),
        f"spread of inputs within {OTHER_SPREAD:g} times, mean within {OTHER_MEAN:g} spreads, targets that differ",
        not why,
        why=why,
        hint=hint,
    )
    return check, "DATA"


def pairing(measured: Measurements, gate: LearningGate) -> tuple[Check, str] | None:
    """Inputs and targets that do not belong together: nothing learned, and the data itself shows no relation."""
    data = measured.data
    if data is None or not data.paired:
        return None
    p = data.independence_p
    unrelated = (
        p is not None
        and p > INDEPENDENT_P
        and (data.masks or not learned(measured, gate))
        and not (number(measured.end.own_input_gain) or 0) > 0
    )
    learned_by_heart = memorized(measured, gate) and not rising(measured) and not blind(measured)
    why = (
        f"inputs and targets do not belong together: the targets of like inputs are no more alike than any (p = {p:.2f}"
        f" over {data.train_samples} samples), and held-out skill is {measured.end.skill or 0:.2f}"
        if unrelated and p is not None
        else f"what was learned does not hold: skill {measured.seen_skill or 0:.2f} on samples that were trained on, "
        f"{measured.end.skill or 0:.2f} on others, and not rising: inputs and targets do not belong together, or are "
        "too few"
    )
    title = "Targets depend on their inputs"
    if p is None and not learned_by_heart:
        return not_measured("pairing", title, "too few samples, or values that are not finite"), "DATA"
    check = threshold_check(
        "pairing",
        title,
        None if p is None else round(p, 4),
        f"p <= {INDEPENDENT_P}, or learned anyway",
        not (unrelated or learned_by_heart),
        why=why,
        hint="Look at some pairs side by side; check how inputs and targets are joined, and any shuffling of one.",
    )
    return check, "DATA"
