# setup: the machine made ready by one idempotent command, and looked over.


rule setup:
    input:
        upload=f"{RESULTS}/{{experiment}}/{{mode}}/upload/upload.json",
        gates=passed("launch"),
    output:
        setup=f"{RESULTS}/{{experiment}}/{{mode}}/setup/setup.json",
    params:
        target=SETTINGS.target.model_dump_json(),
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/setup.log",
    localrule: True
    message:
        "{wildcards.experiment}: setting up the machine"
    script:
        "../scripts/setup.py"
