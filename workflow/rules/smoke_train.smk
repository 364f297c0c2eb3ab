# smoke_train: minutes of real training on this machine, before hours on the paid one.


rule smoke_train:
    input:
        data=shards,
        earlier=earlier_stage,
        gates=passed("quality/dataset"),
    output:
        run=directory(f"{RESULTS}/{{experiment}}/smoke_train"),
        measurements=f"{RESULTS}/{{experiment}}/learning/measurements.json",
        speed=f"{RESULTS}/{{experiment}}/learning/speed.json",
        curve=report(
            f"{RESULTS}/{{experiment}}/learning/loss_curve.png",
            category="{experiment}",
            subcategory="learning",
            caption="../report/loss_curve.rst",
            labels={"shows": "loss curve", "of": "smoke run"},
        ),
    log:
        f"{RESULTS}/{{experiment}}/logs/smoke_train.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/smoke_train.tsv"
    priority: 1  # before the trace, where there is one core
    conda:
        ENVIRONMENT
    resources:
        mem_mb=4000,
    params:
        fingerprint=fingerprint("train"),
        training=lambda wildcards: experiment_config(
            wildcards
        ).training.model_dump_json(),
        smoke=lambda wildcards: experiment_config(wildcards).smoke.model_dump_json(),
        seed=SETTINGS.config.seed,
    message:
        "{wildcards.experiment}: smoke training locally"
    script:
        "../scripts/smoke_train.py"
