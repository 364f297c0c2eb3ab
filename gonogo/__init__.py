"""gonogo: stop a machine-learning experiment at the first gate that its evidence does not pass.

What an experiment's author imports is here and nowhere else: `from gonogo import LightningExperiment, Training`.
docs/experiments.md describes each name. Names are imported when they are first used, so that `import gonogo` is quick.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # as type checkers know it; `typing` takes 25 ms to import
if TYPE_CHECKING:
    from typing import Any

    from gonogo.adapters.huggingface_objects import huggingface as huggingface
    from gonogo.adapters.lightning_objects import lightning as lightning
    from gonogo.adapters.torch_objects import torch as torch
    from gonogo.base.digests import code_digest as code_digest
    from gonogo.base.digests import digest as digest
    from gonogo.base.digests import file_digest as file_digest
    from gonogo.base.errors import UserError as UserError
    from gonogo.base.files import folder_replacing as folder_replacing
    from gonogo.base.files import replacing as replacing
    from gonogo.base.files import write_json as write_json
    from gonogo.base.files import write_text as write_text
    from gonogo.base.mappings import deep_merged as deep_merged
    from gonogo.base.models import Count as Count
    from gonogo.base.models import Fraction as Fraction
    from gonogo.base.models import Positive as Positive
    from gonogo.base.models import StrictModel as StrictModel
    from gonogo.base.os_paths import LocalPath as LocalPath
    from gonogo.config.experiment import ExperimentConfig as ExperimentConfig
    from gonogo.config.experiment import Training as Training
    from gonogo.config.quality_thresholds import QualityGate as QualityGate
    from gonogo.experiment.contract import Experiment as Experiment
    from gonogo.experiment.contract import Progress as Progress
    from gonogo.experiment.lightning import LightningExperiment as LightningExperiment
    from gonogo.experiment.measure import Classes as Classes
    from gonogo.experiment.measure import Quantities as Quantities
    from gonogo.experiment.measure import YesNo as YesNo
    from gonogo.experiment.own_inputs import listed_examples as listed_examples
    from gonogo.experiment.own_inputs import too_few as too_few
    from gonogo.experiment.own_inputs import unusable as unusable
    from gonogo.experiment.plan_option import PlanOption as PlanOption
    from gonogo.experiment.plan_option import gradient_checkpointing as gradient_checkpointing
    from gonogo.experiment.pretrained import Asset as Asset
    from gonogo.experiment.samples import Samples as Samples
    from gonogo.experiment.source_files import Stage as Stage
    from gonogo.experiment.step import Step as Step
    from gonogo.learning.ema import ema_is_useful as ema_is_useful
    from gonogo.learning.trend import mean_difference as mean_difference
    from gonogo.memory.builders import allow_torchvision as allow_torchvision
    from gonogo.memory.check import check_memory as check_memory
    from gonogo.quality.inspect import check_data as check_data
    from gonogo.quality.inspector import Inspector as Inspector
    from gonogo.quality.points.clouds import read_cloud as read_cloud
    from gonogo.quality.series.files import open_recording as open_recording
    from gonogo.quality.subjects import subject_of as subject_of
    from gonogo.quality.text.inspector import Texts as Texts
    from gonogo.quality.volumes.dicom import open_series as open_series
    from gonogo.quality.volumes.inspector import Volumes as Volumes
    from gonogo.quality.volumes.patches import patch_coverage as patch_coverage
    from gonogo.quality.volumes.patches import patch_starts as patch_starts
    from gonogo.script.check_script import check_script as check_script
    from gonogo.training.data_loading import loader as loader
    from gonogo.training.data_loading import trained as trained
    from gonogo.training.log import log as log
    from gonogo.training.manual_optimization import clip_before_steps as clip_before_steps
    from gonogo.training.manual_optimization import optimizers_of as optimizers_of
    from gonogo.training.manual_optimization import without_step_count as without_step_count

_NAMES = {
    "gonogo.adapters.huggingface_objects": ("huggingface",),
    "gonogo.adapters.lightning_objects": ("lightning",),
    "gonogo.adapters.torch_objects": ("torch",),
    "gonogo.base.digests": ("code_digest", "digest", "file_digest"),
    "gonogo.base.errors": ("UserError",),
    "gonogo.base.files": ("folder_replacing", "replacing", "write_json", "write_text"),
    "gonogo.base.mappings": ("deep_merged",),
    "gonogo.base.models": ("Count", "Fraction", "Positive", "StrictModel"),
    "gonogo.base.os_paths": ("LocalPath",),
    "gonogo.config.experiment": ("ExperimentConfig", "Training"),
    "gonogo.config.quality_thresholds": ("QualityGate",),
    "gonogo.experiment.contract": ("Experiment", "Progress"),
    "gonogo.experiment.lightning": ("LightningExperiment",),
    "gonogo.experiment.own_inputs": ("listed_examples", "too_few", "unusable"),
    "gonogo.experiment.measure": ("Classes", "Quantities", "YesNo"),
    "gonogo.experiment.plan_option": ("PlanOption", "gradient_checkpointing"),
    "gonogo.experiment.pretrained": ("Asset",),
    "gonogo.experiment.samples": ("Samples",),
    "gonogo.experiment.source_files": ("Stage",),
    "gonogo.experiment.step": ("Step",),
    "gonogo.learning.ema": ("ema_is_useful",),
    "gonogo.learning.trend": ("mean_difference",),
    "gonogo.memory.builders": ("allow_torchvision",),
    "gonogo.memory.check": ("check_memory",),
    "gonogo.quality.inspect": ("check_data",),
    "gonogo.quality.inspector": ("Inspector",),
    "gonogo.quality.points.clouds": ("read_cloud",),
    "gonogo.quality.series.files": ("open_recording",),
    "gonogo.quality.subjects": ("subject_of",),
    "gonogo.quality.text.inspector": ("Texts",),
    "gonogo.quality.volumes.dicom": ("open_series",),
    "gonogo.quality.volumes.inspector": ("Volumes",),
    "gonogo.quality.volumes.patches": ("patch_coverage", "patch_starts"),
    "gonogo.script.check_script": ("check_script",),
    "gonogo.training.data_loading": ("loader", "trained"),
    "gonogo.training.log": ("log",),
    "gonogo.training.manual_optimization": ("clip_before_steps", "optimizers_of", "without_step_count"),
}
PUBLIC = {name: module for module, names in _NAMES.items() for name in names}
"""Name → the module that defines it."""


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'gonogo' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
