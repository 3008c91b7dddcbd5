"""How `make test` shares the tests among its workers: a file is one worker's, and so are all files
that use the one end-to-end stack, as a stack is dear to start. The longest come first.

(xdist's own `--dist loadgroup` writes the group into a private attribute that pytest 9.2 no longer
has, so that its marks say nothing to it.)
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

END_TO_END = "tests/e2e"
LONGEST_FIRST = (
    END_TO_END,
    "tests/chaos/test_two_minutes.py",
    "tests/rehearsal/test_demo.py",
    "tests/rehearsal/test_replay_market_day.py",
    "tests/deploy/test_bring_up.py",
    "tests/platform/test_full_disk.py",
)
"""Units that take a minute or so each. Begun last, one of them would keep a worker busy while the
others have nothing left.
"""


def unit_of(nodeid: str) -> str:
    """What a test is handed out with."""
    file = nodeid.partition("::")[0]
    return END_TO_END if file.startswith(f"{END_TO_END}/") else file


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out whole files, the end-to-end ones as one."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        first = next((unit for unit in LONGEST_FIRST if unit in self.workqueue), None)
        if first is not None:
            self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)
