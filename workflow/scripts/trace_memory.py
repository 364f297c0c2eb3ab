from gonogo.runtime.stage import stage
from gonogo.stages.trace_memory import trace_memory

with stage(snakemake) as run:
    trace_memory(run, snakemake.input, snakemake.output)
