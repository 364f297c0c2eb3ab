# sample: a few items, to be looked at before the rest is made.


rule sample:
    input:
        assets=f"{RESULTS}/{{experiment}}/assets",
        gates=passed("generator"),
    output:
        directory(f"{RESULTS}/{{experiment}}/sample"),
    log:
        f"{RESULTS}/{{experiment}}/logs/sample.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/sample.tsv"
    resources:
        mem_mb=2000,
    params:
        fingerprint=fingerprint("generate"),
        indices=lambda wildcards: [0, experiment_config(wildcards).sample_items],
        seed=SETTINGS.config.seed,
    message:
        "{wildcards.experiment}: generating {params.indices[1]} sample items"
    script:
        "../scripts/generate.py"
