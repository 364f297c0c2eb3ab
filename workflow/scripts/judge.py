"""Hold a gate's measurements against its thresholds: the same short script for every gate."""

from pathlib import Path

from gonogo.base.files import write_text
from gonogo.report.render import to_line
from gonogo.runtime.stage import stage
from gonogo.stages.judge import judge

with stage(snakemake) as run:
    gate, scope = snakemake.rule.removeprefix("judge_"), snakemake.wildcards.get("scope", "")
    folder = Path(snakemake.output.verdict).parent
    measurements = [Path(part) for part in snakemake.input.get("measured", [])] or [folder / "measurements.json"]
    verdict = judge(run, gate, scope, measurements, snakemake.output)
    verdict.write(Path(snakemake.output.verdict))
    # the token says only that this was judged: what depends on it is redone when the inputs change, not the thresholds
    write_text(snakemake.output.token, f"{verdict.gate} {verdict.scope} {verdict.inputs_digest}\n")
    run.note(verdict.summary)
    if verdict.go or verdict.more:
        run.say(to_line(verdict, colour=run.colour))
