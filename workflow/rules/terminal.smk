# What a person sees: each stage says one line for itself, so with the shipped profiles Snakemake's own
# bookkeeping stays in its log file. `--verbose`, or no profile, shows it.
import logging

from gonogo.base.locks import hold_or_exit
from gonogo.stages.conclude import AtTheEnd


class StagesSpeakForThemselves(logging.Filter):
    """Drops Snakemake's account of jobs that have already told the reader what went wrong."""

    NOISE = (
        "Config file ",
        "Conda environments: ignored",
        "Assuming unrestricted shared filesystem",
        "Building DAG",
        "DAG of jobs will be updated",
        "Updating checkpoint dependencies",
        "Using shell",
        "Select jobs",
        "Execute ",
        "Touching output file",
        "RuleException:\nCalledProcessError",
        "Shutting down, this might take some time",
        "Exiting because a job execution failed",
        "Complete log",
        "Elapsed time",
        "WorkflowError:\nAt least one job did not complete successfully",
    )

    def filter(self, record):
        return not record.getMessage().lstrip().startswith(self.NOISE)


if (
    "RULES" in {kind.name for kind in workflow.output_settings.quiet or ()}
    and not workflow.output_settings.dryrun
):
    for handler in logging.getLogger("snakemake.logging").handlers:
        handler.addFilter(StagesSpeakForThemselves())


def asked_for_a_part():
    """Whether less than the whole workflow was asked for."""
    asked = workflow.dag_settings
    return bool(asked.until or asked.omit_from) or any(
        not target.endswith("all") and Path(target).name != "report.html"
        for target in asked.targets
    )


CONCLUDE = AtTheEnd(SETTINGS, asked_for_a_part)


onstart:
    hold_or_exit(SETTINGS.config.results_dir)
    shared_data.link_data(SETTINGS, DATA_OF)
    CONCLUDE.watch()


onsuccess:
    CONCLUDE()


onerror:
    CONCLUDE()


# Snakemake calls what a main Snakefile registers, and no module's.
if not workflow.modifier.is_main_snakefile():
    for handler in ("onstart", "onsuccess", "onerror"):
        setattr(workflow, f"_{handler}", workflow.globals[handler].func)


def with_default_target(check):
    """What Snakemake calls once all Snakefiles were read: an `include:` sets no default target, so that a Snakefile of
    the user's that has no other rule would have nothing to do.
    """

    def checked():
        workflow.default_target = workflow.default_target or "all"
        check()

    return checked


if workflow.modifier.is_main_snakefile():
    workflow.check = with_default_target(workflow.check)
