"""The commands of docs/quick_start.md, as they are copied and pasted, against the running stack.

The tenant that it enrols stays, known to the simulated operator: it is nobody else's.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.rig import Rig, clean_environment
from tests.servers import ROOT

TEXT = (ROOT / "docs" / "quick_start.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SECONDS = 150
OsTool = Callable[[str], str]

# What is said of each answer goes to a file, and all else is as it was typed.
CURL = """#!/bin/sh
exec {curl} "$@" -w '%{{stderr}}%{{http_code}} %{{method}} %{{url_effective}}\\n' 2>> {log}.$BLOCK
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def as_typed(stack: Rig) -> str:
    """One script of all blocks, each with its number in BLOCK, for the stack's own folder."""
    typed = "".join(f"export BLOCK={number}\n{block}" for number, block in enumerate(BLOCKS))
    typed = typed.replace("var/", f"{stack.var.relative_to(ROOT)}/")
    typed = typed.replace(".venv/bin/python", shlex.quote(sys.executable))
    return f"set -eu -o pipefail\n{typed.replace('PORT=8765', f'PORT={free_port()}')}"


def statuses(log: Path) -> list[str]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.split(" ")[0] for line in lines]


def test_every_block_does_what_is_said_of_it(stack: Rig, os_tool: OsTool, tmp_path: Path) -> None:
    log, shim = tmp_path / "answers", tmp_path / "curl"
    shim.write_text(CURL.format(curl=os_tool("curl"), log=log))
    shim.chmod(0o700)
    os_tool("openssl")
    done = subprocess.run(
        ["bash", "-c", as_typed(stack)],
        cwd=ROOT,
        env={
            **clean_environment(),
            **stack.environment,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    told = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, told
    for number, block in enumerate(BLOCKS):
        said = re.findall(r"# (\d{3})$", block, re.MULTILINE)
        assert set(statuses(Path(f"{log}.{number}"))) == set(said), (block, told)
    # A busy machine's latency may be worth a yellow.
    for words in (
        *("^(green|yellow)$", "^event: instruction.answered$", r"\d+ entries hold"),
        *("the signature holds: webhook.test$", "'verdict': 'ACCEPTED'"),
    ):
        assert re.search(words, done.stdout, re.MULTILINE), told


def test_every_call_says_what_it_is_answered_by() -> None:
    """One call to the API a number; the one that is no call is the shell's own function."""
    text = "".join(BLOCKS).replace("\\\n", "")
    calls = [line for line in text.splitlines() if re.search(r"\bcurl -s", line)]
    assert calls
    silent = [line for line in calls if not re.search(r"# \d{3}$", line)]
    assert silent == []
