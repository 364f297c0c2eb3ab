# halt: where a NO-GO ends. Prints the verdict, writes the negative-result document, exits 1; never makes its output.


rule halt:
    input:
        verdict=f"{RESULTS}/{{experiment}}/{{gate}}/verdict.json",
    output:
        f"{RESULTS}/{{experiment}}/{{gate}}/halted",
    log:
        f"{RESULTS}/{{experiment}}/logs/halt_{{gate}}.log",
    wildcard_constraints:
        gate="|".join(
            rf"{standing.folder(gate, '', MODE)}(_\d+)?" for gate in registry.GATES
        ),
    localrule: True
    conda:
        ENVIRONMENT
    message:
        "{wildcards.experiment}: NO-GO"
    script:
        "../scripts/halt.py"
