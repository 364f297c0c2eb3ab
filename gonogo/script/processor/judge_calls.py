"""How the script calls its model and its losses. Each test gives its check and the cause that it names."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning import loss_call_checks
from gonogo.learning.findings import BLIND, LEAKAGE, CheckAndCause, at, bad, good, listed, unknown
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judging import Test, takes_turns
from gonogo.verdict import Status

KEPT_SHARE = 0.5
FEWEST_GRAPHS = 4
SAME_OUTPUT = 1e-6  # change / spread of the output
SEES_AHEAD = 1e-3
SEES_OTHERS = 1e-2


def modes(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """train() and eval() where they belong."""
    seen, title = facts.modes, "train() and eval() where they belong"
    if not seen.training_calls:
        return None
    kinds = ", ".join(seen.layers_that_mind)
    if seen.training_calls_in_eval:
        since = "since the first validation" if seen.eval_since_validation else "all along"
        why = f"{seen.training_calls_in_eval} of {seen.training_calls} training calls ran in eval mode, {since}: "
        why += f"{kinds} behave as in validation"
        return bad("modes", title, f"{seen.training_calls_in_eval} in eval", why,
                   "Call model.train() at the start of each epoch, after every validation.")  # fmt: skip
    if seen.validation_in_train_mode:
        why = f"validation{at(seen.validation_where)} runs in train mode: {', '.join(seen.validation_layers)} "
        why += "change its results, and batch norm learns from it"
        return bad("modes", title, f"{seen.validation_in_train_mode} in train", why, "Call model.eval() before it.")
    if seen.sampling_in_train_mode:
        why = f"the model was called without gradients in train mode, {seen.sampling_in_train_mode} times"
        return bad("modes", title, f"{seen.sampling_in_train_mode} in train", why,
                   "If that is validation or sampling: model.eval() before it, model.train() after.",
                   status=Status.CAUTION)  # fmt: skip
    return good("modes", title)


def graphs(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    seen, title = facts.modes, "Graphs only where they are needed"
    if seen.backward_without_graph:
        why = f"the loss{at(seen.backward_without_graph)} has no graph: backward has nothing to go through"
        if seen.called_without_grad:
            why += ", as the model ran under no_grad or inference_mode"
        return bad("no_grad", title, None, why,
                   "Take no_grad away from the training step, and detach() or .item() from the loss.")  # fmt: skip
    if seen.graphs_for_nothing:
        why = f"validation{at(seen.graphs_where)} builds graphs that no backward pass uses, in memory for nothing"
        return bad("no_grad", title, seen.graphs_for_nothing, why, "Run it under torch.no_grad().",
                   status=Status.CAUTION)  # fmt: skip
    return good("no_grad", title) if seen.training_calls else None


def kept(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    found, title = facts.kept, "Graphs of earlier steps are let go"
    if found.steps < FEWEST_GRAPHS:
        return None
    if found.alive < max(FEWEST_GRAPHS, KEPT_SHARE * found.steps):
        return good("graph_kept", title, found.alive, unit=f"of {found.steps} still held")
    by = f"`{found.holder}` holds" if found.holder else "something holds"
    why = f"{by} the graphs of earlier steps: {found.alive} of {found.steps} are left, and memory grows"
    return bad("graph_kept", title, found.alive, why, "Add loss.item() or loss.detach(), not the loss itself.",
               unit=f"of {found.steps} still held")  # fmt: skip


def loss_input(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return loss_call_checks.loss_input(facts.loss_calls)


def shapes(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    return loss_call_checks.shapes(facts.loss_calls)


def input_used(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "Outputs depend on the inputs"
    asked = [probe for probe in facts.probes if probe.all_shuffled is not None and facts.not_finite is None]
    for probe in asked:
        if (probe.all_shuffled or 0) < SAME_OUTPUT:
            why = f"`{probe.model}` gives every sample the same output, whatever its input"
            hint = "Follow the input into the model: it is zeroed, overwritten or unused on its way."
            return bad("input_used", title, probe.all_shuffled, why, hint, cause=BLIND)
    for probe in asked:
        unused = [r.argument for r in probe.reach if max(r.shuffled or 0, r.zeroed or 0) < SAME_OUTPUT]
        unused = [name for name in unused if "mask" not in name]
        if unused:
            why = f"`{probe.model}` gives the same output whatever {listed(unused)} is"
            return bad("input_used", title, 0, why, "Check that it is used in forward().", status=Status.CAUTION)
    if asked:
        return good("input_used", title, float(f"{min(p.all_shuffled or 0 for p in asked):.2g}"))
    return None


def mixed(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Samples of a batch that change each other's outputs."""
    title = "A sample's output is its own"
    asked = [probe for probe in facts.probes if probe.mixed is not None and facts.not_finite is None]
    if not asked or takes_turns(facts):
        return None
    for probe in asked:
        if (probe.mixed or 0) > SEES_OTHERS:
            why = f"`{probe.model}` gives samples another output when one other sample of their batch changes"
            hint = "Right if samples are meant to see each other; else an axis is confused on the way."
            if probe.mixed_by:
                why += f": {probe.mixed_by} takes the first axis, the samples, for time"
                hint = "batch_first=True, or transpose to (time, samples, …) before it."
            return bad("batch_mixed", title, round(probe.mixed or 0, 3), why, hint,
                       status=Status.NO_GO if probe.mixed_by else Status.CAUTION)  # fmt: skip
    return good("batch_mixed", title, float(f"{max(probe.mixed or 0 for probe in asked):.2g}"))


def average(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """A copy of the model that is validated, and holds what the model held at the start."""
    seen, title = facts.modes, "What is validated follows what is trained"
    if not seen.copies_validated:
        return None
    if not seen.copy_as_begun:
        return good("average", title)
    why = f"`{seen.copy_as_begun}` is validated, a copy of the model that still holds its first weights"
    hint = "Update the average after each optimizer step; look at the step from which it starts."
    status = Status.CAUTION if seen.trained_validated else Status.NO_GO
    return bad("average", title, seen.copy_as_begun, why, hint, status=status)


def causal(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    title = "Earlier tokens do not see later ones"
    asked = [probe for probe in facts.probes if probe.looks_ahead is not None]
    for probe in asked:
        if (probe.looks_ahead or 0) > SEES_AHEAD:
            why = f"`{probe.model}` predicts the next token, and its outputs depend on later tokens: it sees the answer"
            return bad("causal_mask", title, round(probe.looks_ahead or 0, 3), why,
                       "Give attention its causal mask (is_causal=True).", cause=LEAKAGE)  # fmt: skip
    return good("causal_mask", title) if asked else None


def watched(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """What of the watching itself went wrong, and scripts that show no module."""
    if facts.broken:
        name, why = next(iter(facts.broken.items()))
        return unknown("watched", "What could be watched", f"gonogo could not follow {name}: {why}")
    if facts.no_module and facts.steps:
        return unknown("watched", "What could be watched", "no nn.Module is called in the training step, so that only "
                       "losses, gradients and steps were seen")  # fmt: skip
    return None


TESTS: tuple[Test, ...] = (graphs, shapes, loss_input, mixed, input_used)
AFTER_WIRING: tuple[Test, ...] = (modes, average, kept, causal, watched)
