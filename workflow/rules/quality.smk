# quality gate, twice: on the sample before the set is made, and on the whole set before anything is trained.
# A sample that does not decide is judged again with more (round _1, _2, …), until it does.


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
    resources:
        mem_mb=1000,
    params:
        reading=reading,
    message:
        "{wildcards.experiment}: looking at the {wildcards.scope}, part {wildcards.shard}"
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
    params:
        judged_by=thresholds("quality"),
    message:
        "{wildcards.experiment}: is the {wildcards.scope} worth training on?"
    script:
        "../scripts/judge.py"
