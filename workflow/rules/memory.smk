# trace_memory → memory gate: the planned step's peak, traced without running it, against the card. It takes seconds and
# needs no data, so it runs beside the smoke run; it is judged after the learning gate.
# What is trained is in training.json: as asked for, or as the gate planned it again (`on_no_go: replan`).


rule trace_memory:
    input:
        gates=passed("quality/dataset"),
    output:
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/memory/measurements.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/trace_memory.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/trace_memory.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=3000,
    params:
        fingerprint=fingerprint("train"),
        training=training,
        accelerator=SETTINGS.accelerator.model_dump_json(),
        environment=SETTINGS.target.environment,
    message:
        "{wildcards.experiment}: tracing a training step's memory"
    script:
        "../scripts/trace_memory.py"


checkpoint judge_memory:
    input:
        f"{RESULTS}/{{experiment}}/{{mode}}/memory/measurements.json",
    output:
        verdict=f"{RESULTS}/{{experiment}}/{{mode}}/memory/verdict.json",
        token=f"{RESULTS}/{{experiment}}/{{mode}}/memory/token",
        training=f"{RESULTS}/{{experiment}}/{{mode}}/memory/training.json",
        plan=f"{RESULTS}/{{experiment}}/{{mode}}/memory/plan.json",
        document=f"{RESULTS}/{{experiment}}/{{mode}}/memory/plan.md",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/judge_memory.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate="memory",
        judged_by=thresholds("memory"),
    message:
        "{wildcards.experiment}: judging whether training fits the card"
    script:
        "../scripts/judge.py"
