"""Make what the generator needs, and measure it alone."""

import time
from pathlib import Path

from gonogo.base.digests import digest, folder_digest
from gonogo.gates.generator import measured as measured_by
from gonogo.runtime.stage import stage

with stage(snakemake) as run:
    experiment = run.load_experiment()
    assets = Path(snakemake.output.assets)
    assets.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with run.work():
        found = experiment.prepare(assets, run.config.seed)
    measured = measured_by(found, digest(folder_digest(assets), experiment.fingerprint("generate")))
    if measured.picture:
        measured.evidence.append(str(assets / measured.picture))
    measured.write(snakemake.output.measurements)
    run.say(f"ready in {time.time() - started:.1f} s")
