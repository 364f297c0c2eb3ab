"""prepare: what the data generator needs, made and measured before it makes any data."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from gonogo.base.digests import digest, folder_digest
from gonogo.gates.generator import measured as measurements_of
from gonogo.runtime.context import Run


def prepare(run: Run, inputs: Any, outputs: Any) -> None:
    experiment = run.load_experiment()
    assets = Path(outputs.assets)
    assets.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with run.work():
        metrics = experiment.prepare(assets, run.config.seed)
    measured = measurements_of(metrics, digest(folder_digest(assets), experiment.fingerprint("generate")))
    if measured.picture:
        measured.evidence.append(str(assets / measured.picture))
    measured.write(outputs.measurements)
    run.say(f"ready in {time.time() - started:.1f} s")
