# results gate: did the paid run give the result that was expected?


checkpoint judge_results:
    input:
        measurements=f"{RESULTS}/{{experiment}}/{{mode}}/results/measurements.json",
        data=f"{RESULTS}/{{experiment}}/{{mode}}/validate/predictions",
    output:
        verdict=f"{RESULTS}/{{experiment}}/{{mode}}/results/verdict.json",
        token=f"{RESULTS}/{{experiment}}/{{mode}}/results/token",
        contact_sheet=report(
            f"{RESULTS}/{{experiment}}/{{mode}}/results/contact_sheet.png",
            category="{experiment}",
            subcategory="results",
            caption="../report/predictions.rst",
            labels={"shows": "contact sheet", "of": "predictions"},
        ),
    log:
        f"{RESULTS}/{{experiment}}/{{mode}}/logs/judge_results.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        gate=lambda wildcards: "results",  # as text, --lint takes it for a path
        judged_by=thresholds("results"),
    message:
        "{wildcards.experiment}: judging the results"
    script:
        "../scripts/judge.py"
