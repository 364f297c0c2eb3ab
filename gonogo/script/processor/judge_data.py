"""Data as the script feeds it. Each test gives its check and the cause that it names."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning import loss_call_checks
from gonogo.learning.data_checks import INDEPENDENT_P
from gonogo.learning.findings import DATA, LEAKAGE, CheckAndCause, at, bad, good
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judging import Test, takes_turns
from gonogo.script.processor.trend import against_frequencies, first_pass_falls
from gonogo.verdict import Status

FEWEST_BATCHES = 5  # to say that they are all the same
WARN_BLANK = 0.05
WIDE = 1000.0  # between lowest and highest
SQUARES = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
LARGE = 50.0  # whole, non-negative numbers above it are pixels or counts that nobody scaled
LEAST_SHARED = 0.01  # of validation samples; fewer are CAUTION
COPIED = 0.9
FEWEST_PAIRS = 48
MANY_PAIRS = 128  # from which a loss that falls must fall below what the frequencies of the classes give
BEATEN = 0.95
FEWEST_TARGETS = 32
SORTED = 0.5  # share of the batches whose targets are all of one class, though there are several
MANY_CLASSES = 4  # above which each may have one batch; few that take turns are domains, or real and false
RUN = 3  # batches of one class after each other


def targets(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return loss_call_checks.targets(facts.loss_calls, facts.explained)


def embeddings(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    if facts.explained.check != "inputs":
        return None
    return bad("tokens", "Indices fit their embedding", None, facts.explained.why, facts.explained.hint, cause=DATA)


def ignored(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return loss_call_checks.ignored(facts.loss_calls)


def finite(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title, found = "Inputs are numbers", facts.not_finite
    spoilt = [one for one in facts.data.inputs if one.nan_batches]
    if found is not None and found.what == "input":
        why = f"`{found.name}` contains {found.kind} in {found.batch or f'the batch of step {found.step + 1}'}"
        return bad(
            "inputs_finite",
            title,
            found.name,
            why,
            "Find the items of that batch; drop or fill the values.",
            cause=DATA,
        )
    if spoilt:
        one = spoilt[0]
        why = f"`{one.name}` contains NaN or infinity in {one.nan_batches} of {one.batches} batches"
        return bad(
            "inputs_finite",
            title,
            one.name,
            why,
            "Find the items of these batches; drop or fill the values.",
            cause=DATA,
        )
    return good("inputs_finite", title) if facts.data.inputs else None


def vary(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Inputs that say nothing: one value throughout, or the same for every sample."""
    title = "Inputs differ from each other"
    floats = [one for one in facts.data.inputs if one.dtype.startswith(("float", "bfloat")) and len(one.shape) > 1]
    floats = [one for one in floats if "mask" not in one.name and one.shape[0] > 1]
    if not floats:
        return None
    main = floats[0]
    same = max(main.constant_batches, main.same_samples)
    if same >= max(1, main.batches) * gate.max_blank_share and (main.constant_batches or main.same_samples):
        what = "every value is the same" if main.constant_batches else "all samples of a batch are the same"
        why = f"`{main.name}`: {what} in {same} of {main.batches} batches: there is nothing to learn from"
        hint = "Look at the data set's __getitem__ and at what happens between loader and model."
        return bad("inputs_vary", title, main.name, why, hint, cause=DATA)
    blank = main.constant_samples / max(1, main.samples)
    if blank >= WARN_BLANK:
        status = Status.NO_GO if blank >= gate.max_blank_share else Status.CAUTION
        why = f"{blank:.0%} of the samples of `{main.name}` have one value throughout, as a black picture has"
        return bad("inputs_vary", title, round(blank, 3), why, "Look at some of them.", cause=DATA, status=status)
    return good("inputs_vary", title)


def scale(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "Inputs are scaled"
    for one in facts.data.inputs:
        if not one.dtype.startswith(("float", "bfloat")) or len(one.shape) < 2 or one.maximum is None:
            continue
        if one.whole and (one.minimum or 0) >= 0 and one.maximum > LARGE:
            why = f"`{one.name}` is {one.minimum:g} to {one.maximum:g}, whole numbers: pixels or counts as they are"
            return bad("input_scale", title, f"{one.minimum:g} to {one.maximum:g}", why,
                       "Divide by 255, or subtract mean and divide by spread.", status=Status.CAUTION)  # fmt: skip
        if one.maximum - (one.minimum or 0) > WIDE:
            why = f"`{one.name}` is {one.minimum:g} to {one.maximum:g}: a new network expects values of about 1"
            return bad("input_scale", title, f"{one.minimum:g} to {one.maximum:g}", why,
                       "Subtract mean and divide by spread, of each column; look for marks of missing values.",
                       status=Status.CAUTION)  # fmt: skip
    return good("input_scale", title) if facts.data.inputs else None


def target_scale(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title, calls = "Targets are scaled", [c for c in facts.loss_calls if c.function in SQUARES]
    for call in calls:
        low, high = call.target_minimum, call.target_maximum
        if low is not None and high is not None and max(abs(low), abs(high)) > WIDE:
            why = f"targets of {call.function}{at(call.where)} are {low:g} to {high:g}, a new network's outputs about 1"
            return bad("target_scale", title, f"{low:g} to {high:g}", why,
                       "Subtract their mean and divide by their spread; undo it in predictions.",
                       status=Status.CAUTION)  # fmt: skip
    return good("target_scale", title) if calls else None


def same_batch(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title, data = "Batches differ from each other", facts.data
    if data.batches < FEWEST_BATCHES:
        return None
    train = [one for one in data.loaders if one.role == "train"]
    value = f"{data.distinct_batches} of {data.batches} distinct"
    there = min(data.batches, train[0].length or data.batches) if train else data.batches
    if data.distinct_batches > max(1, there / 2) or there == 1:
        return good("same_batch", title, value)
    in_a_step = max(1, round(data.batches / max(facts.steps, 1)))  # of a model that is called for each part of a batch
    if not train and data.distinct_batches > in_a_step:
        return good("same_batch", title, value)
    why = f"the model got {data.distinct_batches} different batch{'es' * (data.distinct_batches > 1)} in {data.batches}"
    if not train:
        return bad("same_batch", title, value, f"{why}: it is shown the same again and again",
                   "Right where all data is one batch; otherwise look at how batches are drawn.",
                   status=Status.CAUTION)  # fmt: skip
    why += f", of {train[0].length} that `{train[0].name}` has"
    hint = "next(iter(loader)) within the loop starts again each time; overfit_batches is for debugging."
    return bad("same_batch", title, value, why, hint, cause=DATA)


def classes(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "Targets differ from each other"
    for call in facts.loss_calls:
        total = sum(call.class_counts.values())
        if total >= FEWEST_TARGETS and call.classes > 1:
            name, most = max(call.class_counts.items(), key=lambda item: item[1])
            share = most / total
            if share == 1 and not takes_turns(facts):
                why = f"all {total} targets of {call.function}{at(call.where)} are class {name}"
                hint = "Shuffle the training loader, or look at how labels are read."
                return bad("class_balance", title, f"{share:.0%} class {name}", why, hint, cause=DATA)
            if share > gate.max_class_share:
                why = f"{share:.0%} of the targets{at(call.where)} are class {name}: a constant answer is nearly right"
                return bad("class_balance", title, f"{share:.0%} class {name}", why,
                           "Compare with that answer; weigh or sample the classes.", status=Status.CAUTION)  # fmt: skip
        if call.target_spread == 0 and call.calls >= FEWEST_BATCHES and not takes_turns(facts):
            value = call.target_minimum
            why = f"all targets of {call.function}{at(call.where)} are {value:g}: there is nothing to learn"
            if call.target_minimum == call.target_maximum:
                return bad("class_balance", title, value, why, "Look at how targets are read.", cause=DATA)
    return good("class_balance", title) if facts.loss_calls else None


def class_order(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Batches of one class each, as of a sorted set that nobody shuffles."""
    title, calls = "Batches mix their classes", [c for c in facts.loss_calls if c.large_calls >= FEWEST_BATCHES]
    if not calls or takes_turns(facts):
        return None
    for call in calls:
        classes, alike = call.alike_targets, call.alike_calls
        in_turn = len(classes) <= MANY_CLASSES and call.alike_changes > alike / RUN
        if len(classes) > 1 and alike >= SORTED * call.large_calls and not in_turn:
            value = f"{alike} of {call.large_calls} of one class"
            why = f"in {alike} of {call.large_calls} batches all targets{at(call.where)} are the same, "
            why += f"first {classes[0]}, then {classes[1]}: the model forgets one class while it sees the next"
            return bad("class_order", title, value, why, "The data is sorted by class: DataLoader(…, shuffle=True).",
                       cause=DATA)  # fmt: skip
    return good("class_order", title)


def copied(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    if not facts.data.copied_target and not facts.data.targets:
        return None
    title, share = "Targets are not in the inputs", facts.data.copied_share
    if share < COPIED:
        return good("target_in_input", title, round(share, 3))
    why = f"{facts.data.copied_target} is the target, as it is or scaled: the model only has to copy it"
    return bad("target_in_input", title, round(share, 3), why, "Take it out of the inputs.", cause=LEAKAGE)


def shifted(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "Targets are the next tokens"
    calls = [call for call in facts.loss_calls if call.target_is_input is not None]
    for call in calls:
        if (call.target_is_input or 0) >= 0.95 and (call.target_is_next or 0) < 0.9:
            why = f"each target of {call.function}{at(call.where)} is the token that stands at its own place in the "
            why += "input: the model only has to copy it"
            hint = "Shift: targets = tokens[:, 1:], inputs = tokens[:, :-1]; Hugging Face models shift by themselves."
            return bad("target_shift", title, call.target_is_input, why, hint, cause=LEAKAGE)
    return good("target_shift", title) if calls else None


def overlap(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    data, title = facts.data, "Validation samples that are not trained on"
    if data.shared_samples is None or not data.shared_of:
        return None
    share = data.shared_samples / data.shared_of
    value = f"{data.shared_samples} of {data.shared_of} shared"
    if not data.shared_samples:
        return good("validation_overlap", title, value)
    why = f"{data.shared_samples} of {data.shared_of} validation samples are training samples, {data.shared_how}"
    status = Status.NO_GO if share > max(LEAST_SHARED, gate.max_leaked_share) else Status.CAUTION
    hint = "Split before anything else, by item or subject, and build both loaders from the two parts."
    return bad("validation_overlap", title, value, why, hint, cause=LEAKAGE, status=status)


def pairing(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    data, title = facts.data, "Targets depend on their inputs"
    if data.independence_p is None or data.pairs < FEWEST_PAIRS or takes_turns(facts):
        return None
    threshold = f"p <= {INDEPENDENT_P}, or a loss that falls on samples it has not seen"
    if data.independence_p <= INDEPENDENT_P:
        return good("pairing", title, round(data.independence_p, 4), threshold=threshold)
    falls = first_pass_falls(facts, gate) and not data.masks
    frequencies = _only_frequencies(facts) if falls and data.pairs >= MANY_PAIRS else None
    if falls and frequencies is None:
        return good("pairing", title, round(data.independence_p, 4), threshold=threshold)
    if data.masks:
        why = "masks mark nothing in their own pictures that they would not in any other "
        why += f"(p = {data.independence_p:.2f} over {data.pairs} pictures)"
    else:
        why = f"targets of like inputs are no more alike than any (p = {data.independence_p:.2f} over {data.pairs} "
        why += "samples), and the loss "
        why += frequencies or "does not fall on samples seen for the first time"
    hint = "Look at some pairs side by side; check how inputs and targets are joined, and any shuffling of one."
    return bad("pairing", title, round(data.independence_p, 4), why, hint, cause=DATA, threshold=threshold)


def _only_frequencies(facts: ProcessorFacts) -> str | None:
    """Where a loss fell no lower than an answer that needs no input, in words."""
    plain = against_frequencies(facts)
    if plain is None or plain[2] < BEATEN * plain[3]:
        return None
    return f"({plain[2]:.3g}) falls no lower than always answering with the frequencies of the classes ({plain[3]:.3g})"


def last_batch(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    train = [one for one in facts.data.loaders if one.role == "train" and one.items and one.batch_size]
    if not train:
        return None
    one = train[0]
    return loss_call_checks.last_batch(
        facts.data.batch_norm_alone, one.items, one.batch_size, one.drop_last, f"`{one.name}`"
    )


def waiting(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    timing, title = facts.timing, "Time that a step waits for its batch"
    if timing.data_s is None or not timing.step_s:
        return None
    workers = max([1, *(one.workers for one in facts.data.loaders if one.role == "train")])
    waited = timing.data_s / workers
    compute = max(timing.step_s - timing.data_s, 1e-9)
    share = waited / (waited + compute)
    value = round(share, 3)
    if share < gate.max_wait_share:
        return good("data_wait", title, value, threshold=f"< {gate.max_wait_share:g} of the step, on this processor")
    why = f"a batch takes {timing.data_s:.2g} s to make, a whole step on this processor {timing.step_s:.2g} s: "
    why += f"with {workers} worker{'s' * (workers > 1)} a GPU will wait for data"
    return bad("data_wait", title, value, why, "Raise num_workers, or prepare the data beforehand.",
               status=Status.CAUTION)  # fmt: skip


TESTS: tuple[Test, ...] = (
    finite, targets, embeddings, ignored, vary, same_batch, classes, class_order, copied, shifted, overlap, pairing,
    last_batch, scale, target_scale, waiting,
)  # fmt: skip
