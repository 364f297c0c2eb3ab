# report: the whole run on one page.


rule report:
    input:
        archive=f"{RESULTS}/{{experiment}}/{{mode}}/download/archive.json",
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/results/measurements.json",
        gates=passed("results"),
    output:
        markdown=f"{RESULTS}/{{experiment}}/{{mode}}/report/report.md",
        html=report(
            f"{RESULTS}/{{experiment}}/{{mode}}/report/report.html",
            category="{experiment}",
            subcategory="run",
            caption="../report/run.rst",
            labels={"shows": "run report", "of": "{mode}"},
        ),
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    message:
        "{wildcards.experiment}: writing the report"
    script:
        "../scripts/report.py"
