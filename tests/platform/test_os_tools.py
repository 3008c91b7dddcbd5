"""The tools that tests need of the operating system: installed once, or asked for in one line, and
never passed over.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.os_tools import TOOLS
from tests.platform.waiting import BOUND_SECONDS
from tests.servers import ROOT

# Stands in for the system's package tool: each call leaves its words; `install` brings the tools.
APT = """#!/bin/sh
cd "$(dirname "$0")"
echo "$DEBIAN_FRONTEND $*" >> calls
case " $* " in
  *" update "*)
    if [ -e busy ]; then rm busy; echo "E: Could not get lock /var/lib/apt/lists/lock"; exit 100; fi
    exit $(cat offline 2>/dev/null || echo 0) ;;
  *" install "*)
    [ -e broken ] && { echo "E: Unable to locate package"; exit 100; }
    /bin/sleep 0.3
    for tool in sftp lftp chromium openssl curl; do
      echo '#!/bin/sh' > $tool; /bin/chmod 755 $tool
    done ;;
esac
"""
PROVIDE = "import sys; from tests.os_tools import *; print(provide(is_root=sys.argv[1] == 'root'))"
LINE = "apt-get update && apt-get install --yes --no-install-recommends"


class Machine:
    """One whose only programs are in `programs`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "programs"
        self.programs.mkdir()
        (self.programs / "dirname").symlink_to("/usr/bin/dirname")
        (self.programs / "rm").symlink_to("/bin/rm")
        (self.programs / "cat").symlink_to("/bin/cat")

    def has(self, name: str, text: str = "#!/bin/sh\n") -> None:
        program = self.programs / name
        program.write_text(text, encoding="ascii")
        program.chmod(0o755)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        environment = {"PATH": str(self.programs), "TMPDIR": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def provide(self, who: str) -> str:
        return said(self.begin("-c", PROVIDE, who))

    @property
    def calls(self) -> list[str]:
        log = self.programs / "calls"
        return log.read_text(encoding="ascii").splitlines() if log.exists() else []


def said(program: subprocess.Popen[str]) -> str:
    return program.communicate(timeout=3 * BOUND_SECONDS)[0]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_with_all_there_nothing_is_called(machine: Machine) -> None:
    machine.has("apt-get", APT)
    for tool in TOOLS.values():
        machine.has(tool.names[-1])
    assert machine.provide("root") == "[]\n"
    assert machine.calls == []


def test_root_installs_what_is_missing_and_nothing_else(machine: Machine) -> None:
    machine.has("apt-get", APT)
    machine.has("openssl")
    assert machine.provide("root") == "installing sftp, lftp, chromium, curl ...\n[]\n"
    update, install = machine.calls
    assert update.startswith("noninteractive ")
    assert update.endswith(" update")
    words = " install --yes --no-install-recommends openssh-client lftp chromium curl"
    assert install.endswith(words)


def test_two_runs_at_once_install_once(machine: Machine) -> None:
    machine.has("apt-get", APT)
    runs = [machine.begin("-c", PROVIDE, "root") for _ in range(2)]
    told = [said(run) for run in runs]
    assert all(text.endswith("[]\n") for text in told), told
    assert len(machine.calls) == 2


def test_another_program_that_is_installing_is_waited_for(machine: Machine) -> None:
    machine.has("apt-get", APT)
    (machine.programs / "busy").touch()
    assert machine.provide("root").endswith("[]\n")
    assert [call.split()[-1] for call in machine.calls[:2]] == ["update", "update"]


def test_without_a_network_what_is_in_the_cache_is_installed(machine: Machine) -> None:
    machine.has("apt-get", APT)
    (machine.programs / "offline").write_text("100", encoding="ascii")
    assert machine.provide("root").endswith("[]\n")


def test_what_cannot_be_installed_is_told(machine: Machine) -> None:
    machine.has("apt-get", APT)
    (machine.programs / "broken").touch()
    told = machine.provide("root")
    assert "E: Unable to locate package" in told
    assert told.endswith("['sftp', 'lftp', 'chromium', 'openssl', 'curl']\n")


def test_an_ordinary_user_installs_nothing(machine: Machine) -> None:
    machine.has("apt-get", APT)
    assert machine.provide("someone") == "['sftp', 'lftp', 'chromium', 'openssl', 'curl']\n"
    assert machine.calls == []


@pytest.mark.parametrize(
    ("apt", "words"),
    [
        (True, f"as root: {LINE} lftp\n"),
        (False, "install by this system's means (on Debian, the packages lftp)\n"),
    ],
)
def test_the_line_to_type_fits_the_system(machine: Machine, apt: bool, words: str) -> None:
    if apt:
        machine.has("apt-get", APT)
    code = "from tests.os_tools import remedy; print(remedy(['lftp']))"
    told = said(machine.begin("-c", code))
    assert told == f"tests need lftp, which this machine lacks; {words}"


@pytest.mark.parametrize("ci", ["true", "1", "", "false"])
def test_under_ci_a_run_without_a_tool_ends_before_any_test(machine: Machine, ci: str) -> None:
    code = (
        f"import os; os.environ['CI'] = {ci!r}\n"
        "from tests.runner import may_go_on; print(may_go_on(is_root=False))"
    )
    told = said(machine.begin("-c", code)).splitlines()
    assert told[-1] == str(ci in ("", "false"))
    assert any(line.startswith("tests need sftp, lftp, chromium, openssl, curl") for line in told)


def test_a_test_without_its_tool_fails_and_says_what_to_type(machine: Machine) -> None:
    """With a test of its own, as pytest runs it."""
    test = machine.folder / "test_it.py"
    test.write_text("def test_it(os_tool):\n    os_tool('lftp')\n", encoding="ascii")
    arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.os_tool_fixture"]
    (machine.folder / "pytest.ini").touch()
    command = [*arguments, "--rootdir", str(machine.folder), str(test)]
    told = said(machine.begin(*command))
    assert "1 failed" in told, told
    assert "tests need lftp, which this machine lacks" in told
    machine.has("lftp")
    assert "1 passed" in said(machine.begin(*command))
