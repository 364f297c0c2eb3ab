# prepare → generator gate: the data generator is fitted, and judged on its own before it generates any data.


rule prepare:
    input:
        after=ancient(earlier_data),
    output:
        assets=directory(f"{RESULTS}/{{experiment}}/assets"),
        measurements=f"{RESULTS}/{{experiment}}/generator/measurements.json",
    log:
        f"{RESULTS}/{{experiment}}/logs/prepare.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/prepare.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
    params:
        fingerprint=fingerprint("generate"),
        inputs=lambda wildcards: asked_once(wildcards.experiment, "inputs_listing"),
        seed=SETTINGS.config.seed,
    message:
        "{wildcards.experiment}: preparing the data generator"
    script:
        "../scripts/prepare.py"


checkpoint judge_generator:
    input:
        f"{RESULTS}/{{experiment}}/generator/measurements.json",
    output:
        verdict=f"{RESULTS}/{{experiment}}/generator/verdict.json",
        token=f"{RESULTS}/{{experiment}}/generator/token",
    log:
        f"{RESULTS}/{{experiment}}/logs/judge_generator.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate="generator",
        judged_by=thresholds("generator"),
    message:
        "{wildcards.experiment}: judging the data generator"
    script:
        "../scripts/judge.py"
