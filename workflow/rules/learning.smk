# learning gate: is the smoke run learning, and the right thing?


checkpoint judge_learning:
    input:
        f"{RESULTS}/{{experiment}}/learning/measurements.json",
    output:
        verdict=f"{RESULTS}/{{experiment}}/learning/verdict.json",
        token=f"{RESULTS}/{{experiment}}/learning/token",
    log:
        f"{RESULTS}/{{experiment}}/logs/judge_learning.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate="learning",
        judged_by=thresholds("learning"),
    message:
        "{wildcards.experiment}: judging whether the model learns"
    script:
        "../scripts/judge.py"
