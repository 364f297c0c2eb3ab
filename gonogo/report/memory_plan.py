"""The batch plan as a document: what a step needs, what fits, what was changed, and the steps down from it."""

from __future__ import annotations

from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory.plan import Plan
from gonogo.report.rendering import markdown_page


def memory_plan(plan: Plan, experiment: str, mode: str, gate: MemoryGate) -> str:
    """The plan in Markdown."""
    return markdown_page("memory_plan.md.j2", plan=plan, experiment=experiment, mode=mode, gate=gate)
