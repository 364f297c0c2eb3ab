# release: the machine is given back when an invocation ends (terminal.smk), and Snakemake does not end one that has
# nothing to do. While a machine is held it has this: what a kill prevented is made up for by the next invocation.


rule release:
    input:
        expand(
            f"{RESULTS}/{{experiment}}/{MODE}/report/report.html",
            experiment=EXPERIMENTS,
        ),
    output:
        touch(AT_THE_END),
    localrule: True
    params:
        asked_at=lambda wildcards: time.time(),  # done again whenever it is asked for
    message:
        "giving the machine back"
