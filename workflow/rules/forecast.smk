# forecast: hours and dollars of the paid run, with their range.


rule forecast:
    input:
        speed=f"{RESULTS}/{{experiment}}/learning/speed.json",
        training=planned_training,
        memory=f"{RESULTS}/{{experiment}}/{{mode}}/memory/measurements.json",
        gates=passed("memory"),
    output:
        forecast=f"{RESULTS}/{{experiment}}/{{mode}}/forecast/forecast.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/forecast.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        training=training,
        steps=lambda wildcards: getattr(
            experiment_config(wildcards).command, "steps", 0
        ),
        target=TARGET,
        accelerator=SETTINGS.accelerator.model_dump_json(),
    message:
        "{wildcards.experiment}: forecasting time and cost"
    script:
        "../scripts/forecast.py"
