# upload: data, code and the run's own config, by a manifest of hashes; only what differs is sent.


rule upload:
    input:
        data=shards,
        training=planned_training,
        earlier=earlier_stage,
        gates=passed("launch"),
    output:
        upload=f"{RESULTS}/{{experiment}}/{{mode}}/upload/upload.json",
        run=f"{RESULTS}/{{experiment}}/{{mode}}/upload/run.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/upload.log",
    retries: 1
    localrule: True
    conda:
        ENVIRONMENT
    params:
        target=TARGET,
        training=training,
        code=fingerprint("train"),
        limit=[SETTINGS.config.budget_usd, SETTINGS.config.over_budget],
        tracking=SETTINGS.config.tracking,
    message:
        "{wildcards.experiment}: uploading"
    script:
        "../scripts/upload.py"
