# dataset: all items, in shards side by side.


def shard_indices(wildcards):
    """First and last item (exclusive) of a shard."""
    wanted = experiment_config(wildcards)
    part, parts, items = int(wildcards.shard), wanted.shards, wanted.dataset_items
    return [part * items // parts, (part + 1) * items // parts]


rule dataset:
    input:
        assets=f"{RESULTS}/{{experiment}}/assets",
        gates=passed("quality/sample"),
    output:
        directory(f"{RESULTS}/{{experiment}}/dataset/shard_{{shard}}"),
    params:
        fingerprint=fingerprint("generate"),
        indices=shard_indices,
        seed=SETTINGS.config.seed,
    log:
        f"{RESULTS}/{{experiment}}/logs/dataset_{{shard}}.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/dataset_{{shard}}.tsv"
    resources:
        mem_mb=2000,
    message:
        "{wildcards.experiment}: generating items {params.indices[0]} to {params.indices[1]}"
    script:
        "../scripts/generate.py"
