"""From ten generated samples to a paid GPU and back; the first gate that the evidence does not pass halts it."""

from snakemake.utils import min_version

min_version("9.19")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# with --sdm conda: for what this file imports; each rule names the environment that its job runs in
conda: "workflow/envs/snakefile.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/terminal.smk"
# the stages, in the order in which data flows
include: "workflow/rules/prepare.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/smoke_train.smk"
include: "workflow/rules/learning.smk"
include: "workflow/rules/memory.smk"
include: "workflow/rules/forecast.smk"
include: "workflow/rules/sweep.smk"
include: "workflow/rules/launch.smk"
include: "workflow/rules/upload.smk"
include: "workflow/rules/setup.smk"
include: "workflow/rules/canary.smk"
include: "workflow/rules/cloud_train.smk"
include: "workflow/rules/download.smk"
include: "workflow/rules/validate.smk"
include: "workflow/rules/results.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/release.smk"
include: "workflow/rules/halt.smk"


rule all:
    default_target: True
    input:
        # named here so that the trace need not wait for the learning gate
        expand(
            f"{RESULTS}/{{experiment}}/{MODE}/{{made}}",
            experiment=WANTED,
            made=["memory/measurements.json", "report/report.html"],
        ),
        held,
