"""Go through everything that should be settled before money is spent."""

from pathlib import Path

from gonogo.forecast.forecast import Forecast
from gonogo.runtime.stage import stage
from gonogo.stages.measure_launch import checklist

with stage(snakemake) as run:
    forecast = Forecast.model_validate_json(Path(snakemake.input.forecast).read_text())
    checklist(run, forecast).write(snakemake.output.measurements)
