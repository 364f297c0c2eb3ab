# quality gate, twice: on the sample before the data set is generated, and on all of it before anything is trained.
# An inconclusive sample is judged again with more items (round _1, _2, …), until it decides.


rule measure_quality:
    input:
        f"{RESULTS}/{{experiment}}/{{scope}}/shard_{{shard}}",
    output:
        directory(
            f"{RESULTS}/{{experiment}}/quality/measured/{{scope}}/shard_{{shard}}"
        ),
    log:
        f"{RESULTS}/{{experiment}}/logs/measure_quality_{{scope}}_{{shard}}.log",
    benchmark:
        f"{RESULTS}/{{experiment}}/logs/measure_quality_{{scope}}_{{shard}}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=1000,
    params:
        reading=reading,
    message:
        "{wildcards.experiment}: measuring the {wildcards.scope}, part {wildcards.shard}"
    script:
        "../scripts/measure_quality.py"


checkpoint judge_quality:
    input:
        measured=measured_shards,
    output:
        verdict=f"{RESULTS}/{{experiment}}/quality/{{scope}}{{round}}/verdict.json",
        token=f"{RESULTS}/{{experiment}}/quality/{{scope}}{{round}}/token",
        contact_sheet=report(
            f"{RESULTS}/{{experiment}}/quality/{{scope}}{{round}}/contact_sheet.png",
            category="{experiment}",
            subcategory="quality",
            caption="../report/contact_sheet.rst",
            labels={"shows": "contact sheet", "of": "{scope}{round}"},
        ),
        distributions=report(
            f"{RESULTS}/{{experiment}}/quality/{{scope}}{{round}}/distributions.svg",
            category="{experiment}",
            subcategory="quality",
            caption="../report/distributions.rst",
            labels={"shows": "distributions", "of": "{scope}{round}"},
        ),
        table=f"{RESULTS}/{{experiment}}/quality/{{scope}}{{round}}/items.csv",
    log:
        f"{RESULTS}/{{experiment}}/logs/judge_quality_{{scope}}{{round}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate="quality/{scope}",
        judged_by=thresholds("quality"),
    message:
        "{wildcards.experiment}: judging the {wildcards.scope}"
    script:
        "../scripts/judge.py"
