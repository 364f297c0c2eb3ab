# validate: predictions of the downloaded checkpoint for held-out items, on this machine.


rule validate:
    input:
        archive=f"{RESULTS}/{{experiment}}/{{mode}}/download/archive.json",
        data=shards,
        gates=passed("canary"),
    output:
        predictions=directory(f"{RESULTS}/{{experiment}}/{{mode}}/validate/predictions"),
        measured=directory(f"{RESULTS}/{{experiment}}/{{mode}}/validate/measured"),
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/results/measurements.json",
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/validate.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/validate.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=3000,
    params:
        fingerprint=fingerprint("predict"),
    message:
        "{wildcards.experiment}: predicting held-out items"
    script:
        "../scripts/validate.py"
