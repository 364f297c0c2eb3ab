"""Test files side by side, where a test may end its worker: by a crash, or because it hung and was stopped."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController


class OnceEach(LoadFileScheduling):
    """`--dist loadfile` that goes on when a test ends its worker, and does not run that test again.

    xdist's own hands the finished files on as well, and then waits for ever for the worker that got one of them.
    """

    def remove_node(self, node: WorkerController) -> str | None:
        """Returns the test that ended the worker; None where it had done all of its own."""
        files = self.assigned_work[node]
        left = ((file, test) for file, tests in files.items() for test, completed in tests.items() if not completed)
        file, ended = next(left, ("", None))
        if ended:
            files[file][ended] = True
        self.assigned_work[node] = {file: tests for file, tests in files.items() if not all(tests.values())}
        super().remove_node(node)
        return ended

    def schedule(self) -> None:
        super().schedule()
        if self.collection:  # a worker begins a test once it has the next one, or knows that there is none
            for node in self.nodes:
                self._reschedule(node)
