"""How the tests are shared among workers, seen in a run with two."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.platform.waiting import BOUND_SECONDS
from tests.scheduling import LONGEST_FIRST, unit_of
from tests.servers import ROOT

TEST = "import pytest\n\n@pytest.mark.parametrize('one', range({count}))\ndef test_it(one): ...\n"
CONFTEST = """
from tests.scheduling import ByFile

def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)
"""


def test_a_file_and_the_one_stack_belong_to_one_worker(tmp_path: Path) -> None:
    counts = {"e2e/test_a": 3, "e2e/test_b": 3, "e2e/test_c": 30, "x/test_d": 40, "x/test_e": 40}
    for name, count in counts.items():
        file = tmp_path / "tests" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TEST.format(count=count), encoding="ascii")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="ascii")
    (tmp_path / "pytest.ini").touch()
    arguments = ["-m", "pytest", "-v", "-n2", "--dist", "loadfile", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *arguments, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=6 * BOUND_SECONDS,
        check=False,
    )
    assert f"{sum(counts.values())} passed" in done.stdout, done.stdout + done.stderr
    workers = defaultdict(set)
    for worker, nodeid in re.findall(r"\[(gw\d)\].* PASSED (\S+)", done.stdout):
        workers[unit_of(nodeid)].add(worker)
    assert {unit: len(found) for unit, found in workers.items()} == {
        "tests/e2e": 1,
        "tests/x/test_d.py": 1,
        "tests/x/test_e.py": 1,
    }


@pytest.mark.parametrize("unit", LONGEST_FIRST)
def test_what_is_begun_first_is_there(unit: str) -> None:
    """Renamed, it would be begun whenever its turn came, and nobody would notice."""
    assert (ROOT / unit).exists()
