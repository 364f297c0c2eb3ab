"""What each cause word of a verdict means: which part is at fault, what tells it from similar causes, what fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonogo.verdict import Status, Verdict

PartName = Literal["infrastructure", "code", "data", "hypothesis"]


@dataclass(frozen=True)
class CauseText:
    """One cause in a reader's terms."""

    headline: str  # continues "CAUSE: …" in a terminal
    part: PartName | None  # what is at fault; None: nothing is, it was too early or was not measured
    meaning: str  # one or two sentences
    told_apart: str  # the evidence that tells it from the cause that it is mistaken for
    lesson: str  # what to do differently next time
    requirements: tuple[str, ...]  # what must hold before the experiment is resumed
    alternatives: tuple[str, ...]  # other ways to the same goal


CAUSES = {
    "DATA": CauseText(
        headline="the data is at fault, not the length of training",
        part="data",
        meaning=("The targets themselves are wrong. A model that learns them well reproduces the fault."),
        told_apart=(
            "The fault was measured on the targets, without any training. An undertrained model produces noise from "
            "healthy targets; more epochs help there, and cannot help here."
        ),
        lesson="Look at ten generated items beside their inputs before generating the rest.",
        requirements=("The quality gate passes on a new sample, then on the full dataset.",),
        alternatives=(
            "Captured or public data in the place of generated data: name its folder as `inputs` or `data`.",
            "A generator that normalises exposure, where dark views show the scene; cvs: "
            "`settings.data.match_exposure: true`.",
            "Another generator, judged by the generator gate first.",
        ),
    ),
    "CAMERA": CauseText(
        headline="the cameras do not see the scene",
        part="data",
        meaning=("Views are empty or dark because their cameras point past the scene, not because the scene is dark."),
        told_apart=(
            "The points of the input's depth map were projected into every camera. Where they fall outside the frame "
            "or behind the camera, no renderer could have filled the view."
        ),
        lesson="Check what each camera sees before blaming the renderer.",
        requirements=(
            "Every camera sees the scene: the share of visible points passes in each view.",
            "The quality gate passes on a new sample, then on the full dataset.",
        ),
        alternatives=(
            "A smaller arc around the input's own camera.",
            "Captured views with known poses instead of rendered ones.",
        ),
    ),
    "GENERATOR": CauseText(
        headline="the data generator is not good enough",
        part="data",
        meaning=("The data generator does not even reproduce its inputs, or fails a short way from them."),
        told_apart="It was measured on its own, where its input is visible, before any data was generated.",
        lesson="Test the generator on its own before generating a dataset.",
        requirements=("The generator gate passes on inputs that were not used to fit it.",),
        alternatives=("A pretrained generator.", "Captured data instead of generated data."),
    ),
    "UNREADABLE": CauseText(
        headline="files of the data are missing or cannot be read",
        part="data",
        meaning="Pictures, depth maps or poses are truncated, missing or not what their names say.",
        told_apart="The files themselves could not be opened; no content was judged.",
        lesson="Write files completely or not at all, and read them back once.",
        requirements=("Every data file can be read.",),
        alternatives=("The same data from another copy.",),
    ),
    "LEAKAGE": CauseText(
        headline="training and validation share items",
        part="data",
        meaning=(
            "The same items, or copies of them, are on both sides of the split, so validation metrics are meaningless."
        ),
        told_apart=(
            "Shared items were counted: identical bytes, copies closer than chance allows, groups on both sides. A "
            "good model does not need them."
        ),
        lesson="Split by whole items or subjects, and count what both sides share.",
        requirements=("No item, group or near copy is on both sides of the split.",),
        alternatives=("A validation set from another source.",),
    ),
    "WIRING": CauseText(
        headline="parts of the model are not connected",
        part="code",
        meaning="Loss, targets, gradients and optimizer are not all connected, or a single batch cannot be fitted.",
        told_apart=(
            "Fitting a single batch needs neither good data nor a long run. A learning rate that is too small or too "
            "large is recognised by trying others; gradients then reach every module."
        ),
        lesson="Fit a single batch before training on all of them, and check which modules get gradients.",
        requirements=(
            "Gradients reach every module, and the error of a single fitted batch is below its threshold.",
            "The learning gate passes.",
        ),
        alternatives=("The last version of the code that passed the learning gate.",),
    ),
    "INPUT IGNORED": CauseText(
        headline="the model does not use its input",
        part="code",
        meaning="Outputs hardly change when the input is zeroed: the model predicts an average.",
        told_apart=(
            "The loss falls nevertheless, because an average is better than nothing. Only removing the input shows it."
        ),
        lesson="Remove the input once and see whether anything is lost.",
        requirements=("Zeroing the input costs skill.", "Inputs and targets are paired, item by item."),
        alternatives=("A stronger conditioning path, tried on one batch first.",),
    ),
    "DIVERGING": CauseText(
        headline="the run diverged",
        part="code",
        meaning=("The run left the range in which it can learn: a step was too large, or a value is not finite."),
        told_apart=(
            "An undertrained run improves, if slowly. Here losses, errors or gradients exploded, or skill was lost; "
            "and the data contains no NaN that would explain it."
        ),
        lesson="Run the smoke run with the precision and learning rate of the paid run.",
        requirements=("Every step of the smoke run has a finite loss, and its skill does not fall.",),
        alternatives=("A lower learning rate with a longer warm-up.", "32-bit precision."),
    ),
    "UNDERTRAINED": CauseText(
        headline="too early to tell: the run was too short",
        part=None,
        meaning="The targets are healthy and the model can learn, but its outputs do not resemble them yet.",
        told_apart=(
            "The targets pass and match their inputs; only the outputs fail. With bad data, the targets fail too."
        ),
        lesson="Choose the length of a run from what the smoke run needs, not from habit.",
        requirements=("A longer smoke run has skill over predicting the mean.",),
        alternatives=("A smaller model, or smaller pictures, that learn within the smoke run.",),
    ),
    "LOSS": CauseText(
        headline="the losses do not fall",
        part=None,
        meaning="The smoke run's losses, which are all that a command reports, do not fall beyond their noise.",
        told_apart=(
            "With DIVERGING, losses rise or are not finite. Losses alone do not show whether data, wiring, learning "
            "rate or length is at fault."
        ),
        lesson="Look at one batch, and fit only that batch, before anything else.",
        requirements=("The smoke run's training loss falls; so does its validation loss, where there is one.",),
        alternatives=("The experiment as a class, whose smoke run distinguishes these.",),
    ),
    "MEMORY": CauseText(
        headline="the planned training step does not fit the card",
        part="infrastructure",
        meaning=("Weights, optimizer, gradients and activations of one step need more memory than the card has."),
        told_apart=("The step was traced with the planned batch; data and length of training play no part."),
        lesson="Trace a step before renting the card.",
        requirements=("A batch plan whose peak fits, including its error range.",),
        alternatives=("Gradient checkpointing.", "bf16 precision.", "A card with more memory."),
    ),
    "BUDGET": CauseText(
        headline="the run would exceed the budget or the time limit",
        part="infrastructure",
        meaning=(
            "Measured seconds per step × steps × price exceed the budget, or the time exceeds the machine's limit."
        ),
        told_apart="Everything that can be measured without paying passed; only the total is too high.",
        lesson="Forecast from measured steps, then choose the mode.",
        requirements=("A mode, target or budget with which the launch gate passes.",),
        alternatives=("A shorter mode.", "A cheaper machine for more hours, if its time limit allows."),
    ),
    "OUTRANKED": CauseText(
        headline="other variants of the sweep learn more in as many steps",
        part=None,
        meaning="It passed its gates; the sweep launches only the best (sweep.halving).",
        told_apart="Held-out skill was compared after equally many steps of the smoke runs, on the same terms.",
        lesson="A few steps rank variants cheaply; what learns late is ranked too low by them.",
        requirements=("A rank among those that are kept, or a larger sweep.halving.keep.",),
        alternatives=("More steps in the smoke run, where the rank may change.",),
    ),
    "CHECKLIST": CauseText(
        headline="something required before launch is missing",
        part="infrastructure",
        meaning="A file, a statement, an approval or a setting that the paid run needs is missing.",
        told_apart="No fault was found in data or code; the missing items are named.",
        lesson="Have the checklist checked automatically, every time.",
        requirements=("Every item of the launch checklist is in place.",),
        alternatives=(),
    ),
    "MACHINE": CauseText(
        headline="the machine does not match the plan",
        part="infrastructure",
        meaning="The code that ran locally crashed there, ran slower, or needed more memory.",
        told_apart="The smoke run passed locally with the same code and data.",
        lesson="Test a machine with a few steps before the full run.",
        requirements=("The canary gate passes on the machine.",),
        alternatives=("Another machine of the same kind.", "Another kind of accelerator, with a new forecast."),
    ),
    "RESULT": CauseText(
        headline="the result is not what was expected",
        part="hypothesis",
        meaning="The run finished, but the trained model misses its targets.",
        told_apart="Data, code and machine were judged by other gates; see the verdict by part.",
        lesson="The expectation written before the run made this visible; keep writing it down.",
        requirements=("A reason, testable in a smoke run, why the next attempt will differ.",),
        alternatives=("A longer mode, if validation was still improving at the end.",),
    ),
}

NOT_MEASURED = CauseText(
    headline="a decisive check was not measured",
    part=None,
    meaning="No cause can be named: a check has no value, and an unmeasured check does not pass.",
    told_apart="A failed check has a value and a threshold; the checks marked UNKNOWN have no value.",
    lesson="Make the unknown measurable before the next attempt.",
    requirements=("Every check that is UNKNOWN has a value.",),
    alternatives=("A recorded override, with a name and a reason.",),
)

# at the results gate, other words describe wrong predictions, not the data, which has passed
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


def cause_of(verdict: Verdict) -> CauseText:
    """The verdict's cause; for a word that is not in the table, what gate and summary say."""
    if verdict.status is Status.UNKNOWN:
        return NOT_MEASURED
    if verdict.gate == "results" and verdict.cause not in TELLING_RESULTS:
        return CAUSES["RESULT"]
    if verdict.cause in CAUSES:
        return CAUSES[verdict.cause]
    return CauseText(
        headline=verdict.summary,
        part=GATE_PARTS.get(verdict.gate),
        meaning=verdict.summary,
        told_apart="The gate names no similar cause.",
        lesson=f"Look first at what the {verdict.title} gate measured.",
        requirements=(f"The {verdict.title} gate passes.",),
        alternatives=(),
    )
