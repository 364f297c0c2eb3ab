# What a person sees: each stage says one line for itself, so with the shipped profiles Snakemake's own
# bookkeeping stays in its log file. `--verbose`, or no profile, shows it.
import logging
import shutil

from snakemake_interface_logger_plugins.common import LogEvent

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
        "SLURM run ID",
        "No SLURM account given",
        "No account was given",
        "Unable to guess SLURM account",
        "Cleaning up SLURM log files",
    )

    def filter(self, record):
        return not record.getMessage().lstrip().startswith(self.NOISE)


class JobsOfACluster(logging.Filter):
    """Says that a cluster has ended a job, and how; its stage may not have come to say anything."""

    def filter(self, record):
        said = getattr(record, "rule_msg", None)
        first = not hasattr(record, "told")  # each handler asks
        if said and first and getattr(record, "event", None) == LogEvent.JOB_ERROR:
            record.told = True
            how, *_ = re.split(r"\n|\.? Detailed failure|\.?For further", said)
            print(
                f"error: {record.rule_name}: {how}; log: {record.log[-1]}",
                file=sys.stderr,
            )
        return True


if (
    "RULES" in {kind.name for kind in workflow.output_settings.quiet or ()}
    and not workflow.output_settings.dryrun
):
    for handler in logging.getLogger("snakemake.logging").handlers:
        handler.addFilter(StagesSpeakForThemselves())
        # before Snakemake's own, which drops it
        handler.filters.insert(0, JobsOfACluster())


def asked_for_a_part():
    """Whether less than the whole workflow was asked for."""
    asked = workflow.dag_settings
    return bool(asked.until or asked.omit_from) or any(
        not target.endswith("all") and Path(target).name != "report.html"
        for target in asked.targets
    )


def uses_slurm():
    return getattr(workflow.executor_plugin, "name", "") == "slurm"


CONCLUDE = AtTheEnd(SETTINGS, asked_for_a_part)


onstart:
    if uses_slurm() and not shutil.which("sbatch"):
        sys.exit(
            "error: executor slurm: there is no sbatch on this host; run this on the cluster's login node"
        )
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
