"""Hours and dollars of the paid run."""

from pathlib import Path

from gonogo.base.files import write_text
from gonogo.forecast.forecast import describe, forecast
from gonogo.forecast.speed import Speed
from gonogo.runtime.stage import stage
from gonogo.stages.forecast import beside_training

with stage(snakemake) as run:
    speed = Speed.model_validate_json(Path(snakemake.input.speed).read_text())
    found = forecast(
        speed,
        run.training,
        run.target,
        run.settings.accelerator,
        other_model=bool(run.experiment_config.smoke.settings),
        stages=beside_training(run),
    )
    write_text(snakemake.output.forecast, found.model_dump_json(indent=1))
    run.say(describe(found))
