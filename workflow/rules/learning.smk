# learning gate: is the smoke run learning, and the right thing?


checkpoint judge_learning:
    input:
        f"{RESULTS}/{{experiment}}/learning/measurements.json",
    output:
        verdict=f"{RESULTS}/{{experiment}}/learning/verdict.json",
        token=f"{RESULTS}/{{experiment}}/learning/token",
    params:
        gate="learning",
        judged_by=thresholds("learning"),
    log:
        f"{RESULTS}/{{experiment}}/logs/judge_learning.log",
    localrule: True
    message:
        "{wildcards.experiment}: is it learning?"
    script:
        "../scripts/judge.py"
