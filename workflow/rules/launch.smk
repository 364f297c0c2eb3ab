# launch gate: budget, checklist, environment, approval. The last one before anything leaves this machine.


rule measure_launch:
    input:
        data=shards,
        forecast=f"{RESULTS}/{{experiment}}/{{mode}}/forecast/forecast.json",
        training=planned_training,
        approval=approval,
        sweep=sweep_plan,
        gates=passed("memory"),
    output:
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/launch/measurements.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/measure_launch.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        measured_after=measured_after("launch"),
        expected=lambda wildcards: experiment_config(
            wildcards
        ).expected.model_dump_json(),
        budget_usd=SETTINGS.config.budget_usd,
        target=TARGET,
        code=fingerprint("train"),
        inference=fingerprint("predict"),
    message:
        "{wildcards.experiment}: checking the launch checklist"
    script:
        "../scripts/measure_launch.py"


checkpoint judge_launch:
    input:
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/launch/measurements.json",
        forecast=f"{RESULTS}/{{experiment}}/{{mode}}/forecast/forecast.json",
    output:
        verdict=f"{RESULTS}/{{experiment}}/{{mode}}/launch/verdict.json",
        token=f"{RESULTS}/{{experiment}}/{{mode}}/launch/token",
        preflight=f"{RESULTS}/{{experiment}}/{{mode}}/launch/preflight.md",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/judge_launch.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate="launch",
        judged_by=thresholds("launch"),
    message:
        "{wildcards.experiment}: judging whether to launch"
    script:
        "../scripts/judge.py"
