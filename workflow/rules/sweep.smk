# sweep: before the first of its variants is launched, all of them are forecast, or stopped by a gate.


def forecasts_of_variants(wildcards):
    """Input function: the forecast of each variant that passed its gates; all are judged first."""
    found = []
    for variant in SETTINGS.sweeps[wildcards.experiment]:
        gates = registry.upto("memory")
        if all(
            at.verdict.go for at in standing.standing(verdict_file(variant.name), gates)
        ):
            found.append(SETTINGS.paths(variant.name).forecast)
    return found


def halving(wildcards):
    """Parameter function: which share is kept."""
    own = experiment_config(wildcards).sweep
    return own.halving.model_dump_json() if own and own.halving else ""


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
