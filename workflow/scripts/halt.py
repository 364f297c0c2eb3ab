"""Where a NO-GO ends: the verdict in plain words, the negative-result document, exit code 1."""

import sys
from pathlib import Path

from gonogo.runtime.stage import stage
from gonogo.stages.halt import halt

with stage(snakemake) as run:
    halt(run, Path(snakemake.input.verdict))
    sys.exit(1)
