"""Which extra of gonogo brings a library that the core does without."""

from __future__ import annotations

from gonogo.base.errors import UserError

WORKFLOW = "workflow"
BROUGHT_BY_WORKFLOW = (
    "snakemake", "lightning", "lightning_utilities", "torchmetrics", "matplotlib", "paramiko", "fabric", "asyncssh",
)  # fmt: skip


def install_line(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'gonogo[{extra}]'"


def missing_extra(error: BaseException) -> UserError | None:
    """One sentence with the command that helps, where an import failed because an extra is not installed."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    package = (error.name or "").partition(".")[0]
    if package not in BROUGHT_BY_WORKFLOW:
        return None
    return UserError(
        f"the package {package!r} is not installed, which belongs to the workflow: {install_line(WORKFLOW)}"
    )
