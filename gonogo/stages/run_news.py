"""Notifications while a paid run is under way: its first estimate, a stall, a budget that is nearly spent."""

from __future__ import annotations

from gonogo.base.units import dollars, duration
from gonogo.notify.notice import Event
from gonogo.remote.answers import Heartbeat
from gonogo.runtime.context import Run
from gonogo.stages.log_watcher import LogWatcher
from gonogo.stages.tell import of_run

NEARLY_SPENT = 0.8  # of a limit in dollars
STALLS_AFTER = 0.5  # of the time after which the machine ends a run that makes no step


class RunNews:
    """Each once: in this process by what it remembers, and in all others by what was sent."""

    def __init__(self, run: Run, run_id: str, watcher: LogWatcher) -> None:
        self._run, self._run_id, self._watcher = run, run_id, watcher
        self._told: set[object] = set()

    def line(self) -> None:
        """After a line of the log."""
        if self._watcher.estimate:
            words = f"The paid run {self._run_id}, {self._watcher.estimate}."
            self._once("estimate", "⏱ first estimate", words)

    def beat(self, beat: Heartbeat, machine_usd: float) -> None:
        """After a heartbeat.

        Args:
            machine_usd: what the machine has cost up to now; 0: not known.
        """
        target, budget = self._run.target, self._run.config.budget_usd
        left_s, step = self._watcher.left_s, self._watcher.step
        left = "" if left_s is None else f"; at its pace it needs {duration(left_s)} more"
        if beat.usd and beat.usd >= NEARLY_SPENT * budget:
            words = f"The paid run {self._run_id} has cost {dollars(beat.usd)} of budget_usd ({dollars(budget)}){left}."
            self._once("budget", "💸 80 % of the budget", words, "budget_usd")
        if target.max_held_usd and machine_usd >= NEARLY_SPENT * target.max_held_usd:
            words = (
                f"The machine has cost {dollars(machine_usd)} of max_held_usd ({dollars(target.max_held_usd)}){left}."
            )
            self._once("budget", "💸 80 % of the machine's budget", words, "max_held_usd")
        limit_s = 60 * (target.stall_minutes if step else target.first_step_minutes)
        if beat.quiet_s >= STALLS_AFTER * limit_s:
            after = f"after step {step}" if step else "not even its first"
            quiet, limit = duration(beat.quiet_s), duration(limit_s)
            words = f"The paid run {self._run_id} has made no step for {quiet}, {after}; it is ended after {limit}."
            hint = f"Look at its log: gonogo attach {self._run.experiment} --target {self._run.config.target}"
            self._once("stall", "🐌 no step", words, step, hint=hint)

    def _once(self, event: Event, title: str, sentence: str, *key: object, hint: str = "") -> None:
        if (event, *key) not in self._told:
            self._told.add((event, *key))
            of_run(self._run, event, title, sentence, self._run_id, *key, hint=hint)
