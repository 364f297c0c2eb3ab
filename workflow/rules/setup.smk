# setup: the machine made ready by one idempotent command, and checked.


rule setup:
    input:
        upload=f"{RESULTS}/{{experiment}}/{{mode}}/upload/upload.json",
        gates=passed("launch"),
    output:
        setup=f"{RESULTS}/{{experiment}}/{{mode}}/setup/setup.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/setup.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        target=TARGET,
        requirements=requirements,
        tracking=SETTINGS.config.tracking,
    message:
        "{wildcards.experiment}: setting up the machine"
    script:
        "../scripts/setup.py"
