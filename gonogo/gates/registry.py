"""The gates by name, in the order in which they are passed."""

from __future__ import annotations

# the rule whose measurements each gate judges
MEASURED_BY = {
    "generator": "prepare",
    "quality": "measure_quality",
    "learning": "smoke_train",
    "memory": "trace_memory",
    "launch": "measure_launch",
    "canary": "canary",
    "results": "validate",
}
# in the order in which they are passed; quality is judged twice, on the sample and on the set
ORDER = [
    "generator",
    "quality/sample",
    "quality/dataset",
    "learning",
    "memory",
    "launch",
    "canary",
    "results",
]
SAMPLE = "sample"
# what these judge depends on the mode
BY_MODE = {"memory", "launch", "canary", "results"}
# each module has `Measurements` (what the measuring stage wrote) and `judge(measurements, thresholds)`
JUDGES = {
    "generator": "gonogo.gates.generator",
    "quality": "gonogo.quality.judge",
    "learning": "gonogo.learning.judge",
    "memory": "gonogo.memory.judge",
    "launch": "gonogo.gates.launch",
    "canary": "gonogo.gates.canary",
    "results": "gonogo.gates.results",
}
