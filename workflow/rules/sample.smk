# sample: a few items, judged before the rest is generated; a few more where those are inconclusive.


rule sample:
    input:
        assets=f"{RESULTS}/{{experiment}}/assets",
        gates=passed("generator"),
    output:
        directory(f"{RESULTS}/{{experiment}}/sample/shard_{{shard}}"),
    log:
        f"{RESULTS}/{{experiment}}/logs/sample_{{shard}}.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/sample_{{shard}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
    params:
        fingerprint=fingerprint("generate"),
        existing=data_listing,
        indices=sample_indices,
        seed=SETTINGS.config.seed,
    message:
        "{wildcards.experiment}: sample, items {params.indices[0]} to {params.indices[1]}"
    script:
        "../scripts/sample.py"
