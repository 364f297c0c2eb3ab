# canary → canary gate: the first steps on the paid machine, compared with the plan.


rule canary:
    input:
        run=f"{RESULTS}/{{experiment}}/{{mode}}/upload/run.json",
        setup=f"{RESULTS}/{{experiment}}/{{mode}}/setup/setup.json",
        memory=f"{RESULTS}/{{experiment}}/{{mode}}/memory/measurements.json",
        forecast=f"{RESULTS}/{{experiment}}/{{mode}}/forecast/forecast.json",
        gates=passed("launch"),
    output:
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/canary/measurements.json",
        log=f"{RESULTS}/{{experiment}}/{{mode}}/canary/canary.txt",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/canary.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        measured_after=measured_after("canary"),
        steps=lambda wildcards: SETTINGS.gates[wildcards.experiment].canary.steps,
    message:
        "{wildcards.experiment}: training the first steps on the machine"
    script:
        "../scripts/canary.py"


checkpoint judge_canary:
    input:
        f"{RESULTS}/{{experiment}}/{{mode}}/canary/measurements.json",
    output:
        verdict=f"{RESULTS}/{{experiment}}/{{mode}}/canary/verdict.json",
        token=f"{RESULTS}/{{experiment}}/{{mode}}/canary/token",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/judge_canary.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate="canary",
        judged_by=thresholds("canary"),
    message:
        "{wildcards.experiment}: judging the first steps on the machine"
    script:
        "../scripts/judge.py"
