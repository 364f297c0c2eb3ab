# release: a machine is released when an invocation ends (terminal.smk); but Snakemake calls nothing at the end of one
# that has nothing to do. While a machine is held there is this job: what a kill prevented is done by the next invocation.


rule release:
    input:
        expand(
            f"{RESULTS}/{{experiment}}/{MODE}/report/report.html",
            experiment=WANTED,
        ),
    output:
        AT_THE_END,
    log:
        f"{RESULTS}/logs/release.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        asked_at=lambda wildcards: time.time(),  # executed whenever it is asked for
    message:
        "releasing the machine"
    script:
        "../scripts/release.py"
