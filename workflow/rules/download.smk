# download: verified against the machine's hashes, into a folder of its own that is never written twice.


rule download:
    input:
        run=f"{RESULTS}/{{experiment}}/{{mode}}/cloud_train/run.json",
        gates=passed("canary"),
    output:
        archive=f"{RESULTS}/{{experiment}}/{{mode}}/download/archive.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/download.log",
    retries: 1
    localrule: True
    conda:
        ENVIRONMENT
    message:
        "{wildcards.experiment}: downloading results"
    script:
        "../scripts/download.py"
