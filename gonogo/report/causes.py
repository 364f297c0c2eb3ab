"""What each cause word means: which part is at fault, how it is told from its neighbours, what mends it.

The words are those that the gates' judges give (`Verdict.cause`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonogo.verdict import Status, Verdict

PartName = Literal["infrastructure", "code", "data", "hypothesis"]


@dataclass(frozen=True)
class Cause:
    """One cause in a reader's terms.

    Attributes:
        headline: continues "CAUSE: …" in a terminal.
        part: what is at fault; None: nothing is, it was merely too early or not measured.
        meaning: one or two sentences.
        told_apart: the evidence that separates it from the cause that it is mistaken for.
        lesson: what to do differently next time.
        requirements: what must hold before the experiment is taken up again.
        alternatives: other ways to the same end.
    """

    headline: str
    part: PartName | None
    meaning: str
    told_apart: str
    lesson: str
    requirements: tuple[str, ...]
    alternatives: tuple[str, ...]


CAUSES = {
    "DATA": Cause(
        headline="the data is at fault, not the length of training",
        part="data",
        meaning=("What the model is asked to produce is itself wrong. A model that learns it well produces it well."),
        told_apart=(
            "The fault is measured on the targets, before or without any training. An undertrained model "
            "shows noise over healthy targets; more epochs would help that, and cannot help this."
        ),
        lesson="Look at ten generated items beside their inputs before making the rest.",
        requirements=("The quality gate passes on a new sample, then on the whole set.",),
        alternatives=(
            "Captured data in place of generated data.",
            "Another generator, judged alone by the generator gate first.",
        ),
    ),
    "CAMERA": Cause(
        headline="the cameras do not see the scene",
        part="data",
        meaning=(
            "Views are empty or dark because their cameras point past the content, not because the content is dark."
        ),
        told_apart=(
            "The points that the input's depth map gives are projected into every camera. Where they fall "
            "outside the frame or behind the camera, no renderer could have filled the view."
        ),
        lesson="Check what each camera sees before blaming what renders the picture.",
        requirements=(
            "Every camera sees the scene: the share of visible points passes in each view.",
            "The quality gate passes on a new sample, then on the whole set.",
        ),
        alternatives=(
            "A smaller arc about the input's own camera.",
            "Captured views with known poses in place of rendered ones.",
        ),
    ),
    "GENERATOR": Cause(
        headline="the generator is not good enough to make data with",
        part="data",
        meaning=(
            "What makes the data does not reproduce even the inputs it is given, or falls apart a little way off."
        ),
        told_apart="It was measured alone, at poses that see the scene, before any data was made with it.",
        lesson="Test the generator alone before making a data set with it.",
        requirements=("The generator gate passes on inputs that were not used to fit it.",),
        alternatives=("A pretrained generator.", "Captured data in place of generated data."),
    ),
    "UNREADABLE": Cause(
        headline="files of the data are missing or cannot be read",
        part="data",
        meaning="Pictures, depth maps or poses are truncated, missing or not what their names say.",
        told_apart="The files themselves could not be opened; nothing was judged by its looks.",
        lesson="Write files whole or not at all, and read them back once.",
        requirements=("Every file of the data can be read.",),
        alternatives=("The same data from another copy.",),
    ),
    "LEAKAGE": Cause(
        headline="training and validation share items",
        part="data",
        meaning=("The same items, or copies of them, lie on both sides of the split; validation figures say nothing."),
        told_apart=(
            "Shared items were counted: same bytes, copies nearer than chance allows, groups on both sides. "
            "A model that is merely good does not need them."
        ),
        lesson="Split by whole items or subjects, and count what both sides share.",
        requirements=("No item, group or near copy on both sides of the split.",),
        alternatives=("A validation set from another source.",),
    ),
    "WIRING": Cause(
        headline="parts of the model are not connected",
        part="code",
        meaning="Loss, targets, gradients and optimizer are not all connected, or one batch alone cannot be fitted.",
        told_apart=(
            "One batch fitted alone needs neither good data nor a long run. A learning rate that is too small or too "
            "large is told by trying others; then gradients reach every module."
        ),
        lesson="Fit one batch before training on all of them, and look where gradients arrive.",
        requirements=(
            "Gradients reach every module, and one batch fitted alone goes below its threshold.",
            "The learning gate passes.",
        ),
        alternatives=("The last version of the code that passed the learning gate.",),
    ),
    "INPUT IGNORED": Cause(
        headline="the model does not use its input",
        part="code",
        meaning="Outputs hardly change when the input is zeroed: the model answers with an average.",
        told_apart=(
            "The loss falls all the same, because an average is better than nothing. Only taking the input away tells."
        ),
        lesson="Take the input away once and see whether anything is lost.",
        requirements=("Zeroing the input costs skill.", "Inputs and targets are paired, item by item."),
        alternatives=("A stronger conditioning path, tried on one batch first.",),
    ),
    "DIVERGING": Cause(
        headline="the run went out of control",
        part="code",
        meaning=("The run left the range in which it can learn: a step too large, or a value that is not finite."),
        told_apart=(
            "An undertrained run gets better, if slowly. Here losses, errors or gradients exploded, or skill that was "
            "there was lost; and the data holds no NaN that would explain it."
        ),
        lesson="Rehearse with the precision and learning rate of the paid run.",
        requirements=("Every step of the smoke run has a finite loss, and its skill does not fall.",),
        alternatives=("A lower learning rate with a longer warm-up.", "32-bit precision."),
    ),
    "UNDERTRAINED": Cause(
        headline="too early to tell: the run was too short",
        part=None,
        meaning="The targets are healthy and the model can learn; its outputs do not look like them yet.",
        told_apart=(
            "Targets pass where outputs fail, and they belong to their inputs. With bad data the targets fail too."
        ),
        lesson="Decide how long is long enough from what the smoke run needs, not from habit.",
        requirements=("The smoke run, made longer, has skill over predicting the mean.",),
        alternatives=("A smaller model, or smaller pictures, that learn within the rehearsal.",),
    ),
    "LOSS": Cause(
        headline="the losses do not fall",
        part=None,
        meaning="The smoke run's losses, which are all that a command shows, do not fall beyond their noise.",
        told_apart=(
            "It is not DIVERGING, where losses rise or are no number. Whether data, wiring, learning rate or length is "
            "at fault cannot be told from losses alone."
        ),
        lesson="Look at one batch, and fit it alone, before anything else.",
        requirements=("The smoke run's training loss falls; so does its validation loss, where there is one.",),
        alternatives=("The experiment as a class, whose smoke run tells these apart.",),
    ),
    "MEMORY": Cause(
        headline="the planned training step does not fit the card",
        part="infrastructure",
        meaning=("Weights, optimizer, gradients and activations of one step need more memory than the card has."),
        told_apart=("The step was traced with the batch planned; neither data nor length of training plays a part."),
        lesson="Trace a step before renting the card.",
        requirements=("A batch plan whose peak fits, with its error range.",),
        alternatives=("Gradient checkpointing.", "bf16 precision.", "A card with more memory."),
    ),
    "BUDGET": Cause(
        headline="the run would cost more than it may",
        part="infrastructure",
        meaning=("Measured seconds a step, times steps, times price, go beyond the budget or the machine's time cap."),
        told_apart="Everything that can be measured without paying passed; only the sum is too large.",
        lesson="Forecast from measured steps, then choose the mode.",
        requirements=("A mode, target or budget with which the launch gate passes.",),
        alternatives=("A shorter mode.", "A cheaper machine for more hours, where its time cap allows."),
    ),
    "CHECKLIST": Cause(
        headline="something that must be in place before launch is not",
        part="infrastructure",
        meaning="A file, a statement, an approval or a setting that the paid run needs is missing.",
        told_apart="Nothing was found wrong with data or code; the failed items are named.",
        lesson="Let the checklist be gone through by machine, each time.",
        requirements=("Every item of the launch checklist is in place.",),
        alternatives=(),
    ),
    "MACHINE": Cause(
        headline="the machine does not do what the plan promised",
        part="infrastructure",
        meaning="The same code that ran here crashed, ran slower or needed more memory there.",
        told_apart="The smoke run ran with the same code and data on this machine.",
        lesson="Let a machine prove itself on a few steps before the whole run.",
        requirements=("The canary gate passes on the machine.",),
        alternatives=("Another machine of the same kind.", "Another kind of accelerator, forecast anew."),
    ),
    "RESULT": Cause(
        headline="the result is not what was expected",
        part="hypothesis",
        meaning="The run finished, and the trained model misses what was asked of it.",
        told_apart="Data, code and machine were judged by gates of their own; see the verdict by part.",
        lesson="The statement written before the run made this visible; keep writing it.",
        requirements=("A reason, testable in a smoke run, why the next attempt would differ.",),
        alternatives=("A longer mode, where validation was still improving at the end.",),
    ),
}

NOT_MEASURED = Cause(
    headline="what decides was not measured",
    part=None,
    meaning="No cause can be named: a check has no value, and what was not measured does not pass.",
    told_apart="A failed check has a value against its threshold; the checks marked UNKNOWN have none.",
    lesson="Make the unknown measurable before the next attempt.",
    requirements=("Every check that is UNKNOWN has a value.",),
    alternatives=("A recorded override, with a name and a reason.",),
)

# at the results gate, the other words describe predictions that look wrong, not the data, which has passed
TELLING_RESULTS = ("UNDERTRAINED", "LEAKAGE", "DIVERGING")

GATE_PARTS: dict[str, PartName] = {
    "generator": "data",
    "quality": "data",
    "learning": "code",
    "memory": "infrastructure",
    "launch": "infrastructure",
    "canary": "infrastructure",
    "results": "hypothesis",
}


def cause_of(verdict: Verdict) -> Cause:
    """The verdict's cause; for a word that is not in the table, what its gate and summary say."""
    if verdict.status is Status.UNKNOWN:
        return NOT_MEASURED
    if verdict.gate == "results" and verdict.cause not in TELLING_RESULTS:
        return CAUSES["RESULT"]
    if verdict.cause in CAUSES:
        return CAUSES[verdict.cause]
    return Cause(
        headline=verdict.summary,
        part=GATE_PARTS.get(verdict.gate),
        meaning=verdict.summary,
        told_apart="The gate names no neighbouring cause.",
        lesson=f"Keep what the {verdict.title} gate measured as the first thing to look at next time.",
        requirements=(f"The {verdict.title} gate passes.",),
        alternatives=(),
    )
