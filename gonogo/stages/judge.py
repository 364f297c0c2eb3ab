"""judge: a gate's measurements held against its thresholds; its verdict, with the documents and pictures beside it.

All rules `judge_GATE` run this; they name their gate in their params.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.gates import judging, registry, standing
from gonogo.gates.judging import Judged
from gonogo.gates.registry import Gate
from gonogo.report.verdict_line import to_line
from gonogo.runtime.context import Run


def judge(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    gate = registry.gate(params.gate)
    folder = Path(outputs.verdict).parent
    paths = [Path(part) for part in inputs.get("measured", [])] or [folder / "measurements.json"]
    measured = judging.measurements(gate, paths)
    verdict, judgement = (
        _quality(run, gate, measured, outputs) if gate.name == "quality" else _judged(run, gate, measured)
    )
    match gate.name:
        case "memory":
            _write_plan(run, measured, judgement, outputs)
        case "results":
            _draw_results(run, measured, judgement, outputs)
        case "launch":
            from gonogo.stages.preflight import write_preflight

            write_preflight(run, verdict, measured, outputs.preflight)
    shown = [str(path) for name in SHOWN if (path := outputs.get(name))]
    for check in verdict.failed:
        check.evidence = [*shown, *check.evidence]
    verdict.write(Path(outputs.verdict))
    # the token says only that this was judged: what depends on it is redone when the inputs change, not the thresholds
    write_text(outputs.token, f"{verdict.gate} {verdict.scope} {verdict.inputs_digest}\n")
    run.note(verdict.summary)
    if verdict.go or verdict.more:
        run.say(to_line(verdict, colour=False), painted=to_line(verdict, colour=True))


# outputs that show why a check does not pass
SHOWN = ("contact_sheet", "table", "distributions", "document", "preflight")


def _judged(run: Run, gate: Gate, measured: Any, **options: Any) -> Judged:
    return judging.judge(
        gate,
        measured,
        run.gates,
        experiment=run.experiment,
        mode=run.mode,
        override=standing.override_for(run.config.overrides, run.experiment, gate.name),
        dummy_data=run.experiment_config.dummy_data,
        saved=judging.saved_by_stopping(gate, run.paths.forecast),
        **options,
    )


def _quality(run: Run, gate: Gate, measured: Any, outputs: Any) -> Judged:
    """Judged and drawn in one pass over the items."""
    from gonogo.quality.outputs import Outputs, writing_outputs

    files = Outputs(Path(outputs.table), Path(outputs.distributions), Path(outputs.contact_sheet))
    with writing_outputs(measured, run.gates.quality, files) as writer:
        judged = _judged(run, gate, measured, each=writer.add)
        writer.draw(judged.judgement)
    return judged


def _write_plan(run: Run, measured: Any, judgement: Any, outputs: Any) -> None:
    from gonogo.memory.plan import plan_from
    from gonogo.report.memory_plan import memory_plan

    plan = plan_from(measured.explored, measured.accelerator, run.gates.memory, judgement.plan)
    write_text(outputs.training, plan.training.model_dump_json(indent=1) + "\n")
    write_text(outputs.plan, plan.model_dump_json(indent=1) + "\n")
    write_text(outputs.document, memory_plan(plan, run.experiment, run.mode, run.gates.memory))


def _draw_results(run: Run, measured: Any, judgement: Any, outputs: Any) -> None:
    """The predictions; where they are no items, the metrics; where there are none, the loss of the run."""
    if measured.logged is not None:
        _draw_losses(run, Path(outputs.contact_sheet))
        return
    if judgement.predictions is None:
        from gonogo.report.answers_page import answers_page

        answers_page(measured.metrics, Path(outputs.contact_sheet))
        return
    from gonogo.quality.measured_set import MeasuredSet
    from gonogo.quality.outputs import draw_sheet

    draw_sheet(MeasuredSet.read(measured.pictures), judgement.predictions, Path(outputs.contact_sheet))


def _draw_losses(run: Run, out: Path) -> None:
    from gonogo.report.curves import LossCurve, loss_curve
    from gonogo.training.spec import TrainingResult

    result = TrainingResult.model_validate(json.loads(run.paths.paid_run.read_text())["result"])
    steps = result.train_steps or list(range(1, len(result.train_loss) + 1))
    loss_curve(
        LossCurve(
            title=f"{run.experiment}: {result.steps} steps", steps=steps, train_loss=list(result.train_loss),
            val_steps=result.val_steps, val_loss=list(result.val_loss), unit="loss",
        ),
        out,
    )  # fmt: skip
