# dataset: all items, in shards side by side.


rule dataset:
    input:
        assets=f"{RESULTS}/{{experiment}}/assets",
        gates=passed("quality/sample"),
    output:
        directory(f"{RESULTS}/{{experiment}}/dataset/shard_{{shard}}"),
    log:
        f"{RESULTS}/{{experiment}}/logs/dataset_{{shard}}.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/dataset_{{shard}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=2000,
    params:
        fingerprint=fingerprint("generate"),
        existing=data_listing,
        indices=shard_indices,
        seed=SETTINGS.config.seed,
    message:
        "{wildcards.experiment}: data set, items {params.indices[0]} to {params.indices[1]}"
    script:
        "../scripts/dataset.py"
