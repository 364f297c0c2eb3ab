# cloud_train: the paid run, detached on the machine; this rule starts it or attaches to it, and follows it.


rule cloud_train:
    input:
        run=f"{RESULTS}/{{experiment}}/{{mode}}/upload/run.json",
        memory=f"{RESULTS}/{{experiment}}/{{mode}}/memory/measurements.json",
        forecast=f"{RESULTS}/{{experiment}}/{{mode}}/forecast/forecast.json",
        gates=passed("canary"),
    output:
        run=f"{RESULTS}/{{experiment}}/{{mode}}/cloud_train/run.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/cloud_train.log",
    localrule: True
    conda:
        ENVIRONMENT
    message:
        "{wildcards.experiment}: training on the machine"
    script:
        "../scripts/cloud_train.py"
