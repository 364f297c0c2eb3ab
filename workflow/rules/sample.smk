# sample: a few items, to be looked at before the rest is made.


rule sample:
    input:
        assets=f"{RESULTS}/{{experiment}}/assets",
        gates=passed("generator"),
    output:
        directory(f"{RESULTS}/{{experiment}}/sample"),
    params:
        fingerprint=fingerprint("generate"),
        items=lambda wildcards: experiment_config(wildcards).sample_items,
        seed=SETTINGS.config.seed,
    log:
        f"{RESULTS}/{{experiment}}/logs/sample.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/sample.tsv"
    resources:
        mem_mb=2000,
    message:
        "{wildcards.experiment}: generating {params.items} sample items"
    script:
        "../scripts/generate.py"
