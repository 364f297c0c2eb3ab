"""Is this machine ready to train, part by part? A weak GPU does not stop what a proven processor can take over."""

from __future__ import annotations

from dataclasses import dataclass

from gonogo.config.experiment import ExperimentConfig
from gonogo.health.device_ladder import LadderResult
from gonogo.verdict import Status, Verdict, worst


@dataclass(frozen=True)
class ReadinessPart:
    name: str
    status: Status
    because: str


def readiness(
    gpu: LadderResult | None,
    cpu: LadderResult | None,
    experiment: ExperimentConfig | None = None,
    learning: Verdict | None = None,
) -> list[ReadinessPart]:
    """Docs, code, GPU, fallback, and overall. What was not measured is UNKNOWN, and never counts as ready.

    Args:
        gpu, cpu: how far each came; None: not tried.
        learning: the learning gate's verdict on the experiment; None: it has not judged it.
    """
    device, fallback = _device("GPU", gpu), _device("fallback to the CPU", cpu)
    found = [_docs(experiment), _code(learning), device, fallback]
    excused = device.status is not Status.GO and fallback.status is Status.GO
    counted = [Status.CAUTION if part is device and excused else part.status for part in found]
    because = "the processor takes the GPU's place, and is slower" if excused else ""
    weak = [part.name for part, status in zip(found, counted, strict=True) if status is worst(counted)]
    return [*found, ReadinessPart("overall", worst(counted), because or f"the weakest of: {', '.join(weak)}")]


def _device(name: str, found: LadderResult | None) -> ReadinessPart:
    if found is None:
        return ReadinessPart(name, Status.UNKNOWN, "not tried")
    if found.healthy:
        return ReadinessPart(name, Status.GO, f"{found.facts.get('device', '?')}: {len(found.seconds)} rungs passed")
    return ReadinessPart(
        name, Status.NO_GO, f"at '{list(found.seconds)[-1] if found.seconds else 'start'}': {found.problem}"
    )


def _docs(experiment: ExperimentConfig | None) -> ReadinessPart:
    if experiment is None:
        return ReadinessPart("docs", Status.UNKNOWN, "no experiment was named")
    missing = [
        key
        for key, text in (("hypothesis", experiment.hypothesis), ("expected.statement", experiment.expected.statement))
        if not text.strip()
    ]
    if missing:
        return ReadinessPart("docs", Status.NO_GO, f"not written yet: {', '.join(missing)}")
    return ReadinessPart("docs", Status.GO, "hypothesis and expected result are written down")


def _code(learning: Verdict | None) -> ReadinessPart:
    if learning is None:
        return ReadinessPart("code", Status.UNKNOWN, "the learning gate has not judged a smoke run")
    return ReadinessPart("code", learning.status, f"learning: {learning.summary}")
