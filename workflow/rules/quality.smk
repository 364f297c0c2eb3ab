# quality gate, twice: on the sample before the set is made, and on the whole set before anything is trained.


rule measure_quality:
    input:
        data=data_folders,
    output:
        measurements=f"{RESULTS}/{{experiment}}/quality/{{scope}}/measurements.json",
    log:
        f"{RESULTS}/{{experiment}}/logs/measure_quality_{{scope}}.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/measure_quality_{{scope}}.tsv"
    resources:
        mem_mb=1000,
    message:
        "{wildcards.experiment}: looking at the {wildcards.scope}"
    script:
        "../scripts/measure_quality.py"


checkpoint judge_quality:
    input:
        measurements=f"{RESULTS}/{{experiment}}/quality/{{scope}}/measurements.json",
        data=data_folders,
    output:
        verdict=f"{RESULTS}/{{experiment}}/quality/{{scope}}/verdict.json",
        token=f"{RESULTS}/{{experiment}}/quality/{{scope}}/token",
        contact_sheet=report(
            f"{RESULTS}/{{experiment}}/quality/{{scope}}/contact_sheet.png",
            category="{experiment}",
            subcategory="quality",
            caption="../report/contact_sheet.rst",
            labels={"shows": "contact sheet", "of": "{scope}"},
        ),
        table=f"{RESULTS}/{{experiment}}/quality/{{scope}}/items.csv",
    log:
        f"{RESULTS}/{{experiment}}/logs/judge_quality_{{scope}}.log",
    localrule: True
    params:
        judged_by=thresholds("quality"),
    message:
        "{wildcards.experiment}: is the {wildcards.scope} worth training on?"
    script:
        "../scripts/judge.py"
