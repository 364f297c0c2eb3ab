# sweep: before the first of its variants is launched, all of them are forecast, or stopped by a gate.


rule plan_sweep:
    input:
        forecasts=forecasts_of_variants,
    output:
        plan=f"{RESULTS}/{{experiment}}/{{mode}}/sweep/plan.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/plan_sweep.log",
    wildcard_constraints:
        experiment="|".join(map(re.escape, SETTINGS.sweeps)) or "none",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        variants=lambda wildcards: [
            one.name for one in SETTINGS.sweeps[wildcards.experiment]
        ],
        halving=halving,
    message:
        "{wildcards.experiment}: adding up its variants"
    script:
        "../scripts/plan_sweep.py"
