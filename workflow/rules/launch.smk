# launch gate: budget, checklist, environment, approval. The last one before anything leaves this machine.


def approval(wildcards):
    """`gonogo approve` writes it; judged again when it appears or changes."""
    path = f"{RESULTS}/{wildcards.experiment}/approval.json"
    return path if os.path.exists(path) else []


rule measure_launch:
    input:
        data=shards,
        forecast=f"{RESULTS}/{{experiment}}/{{mode}}/forecast/forecast.json",
        approval=approval,
        gates=passed("memory"),
    output:
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/launch/measurements.json",
    params:
        expected=lambda wildcards: experiment_config(wildcards).expected.model_dump_json(),
        budget_usd=SETTINGS.config.budget_usd,
        target=SETTINGS.target.model_dump_json(),
        code=fingerprint("train"),
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/measure_launch.log",
    localrule: True
    message:
        "{wildcards.experiment}: going through the launch checklist"
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
    params:
        gate="launch",
        judged_by=thresholds("launch"),
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/judge_launch.log",
    localrule: True
    message:
        "{wildcards.experiment}: launch?"
    script:
        "../scripts/judge.py"
