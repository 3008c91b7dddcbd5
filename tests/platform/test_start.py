"""What a person is told who starts the stack where something is in its way."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from hostsvc.stack.layout import DamagedFile, lay_out
from hostsvc.stack.terminal import moved_lines
from hostsvc.supervisor.ports import loopback_answers
from tests.rehearsal.live import clean_environment
from tests.servers import ROOT

WITHOUT_LOOPBACK = [
    "unshare",
    "--net",
    *([] if os.geteuid() == 0 else ["--map-current-user"]),
]


def start(var: Path, *prefix: str) -> tuple[int, list[str]]:
    """Its code and its lines, of a start that ends by itself."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "hostsvc.stack", "--var", str(var)],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_ports_that_others_have_taken_are_told_with_the_new_ones(tmp_path: Path) -> None:
    first = lay_out(tmp_path)
    assert first.moved == {}
    with ExitStack() as others:
        for part in ("edl", "web"):
            others.enter_context(socket.create_server(("127.0.0.1", first.ports[part])))
        second = lay_out(tmp_path)
        assert second.moved == {part: first.ports[part] for part in ("web", "edl")}
        assert moved_lines(second) == [
            f"port {first.ports[part]} of {part} is taken by another program;"
            f" it is {second.ports[part]} from now on"
            for part in ("web", "edl")
        ]
    assert lay_out(tmp_path).moved == {}
    assert lay_out(tmp_path).ports == second.ports


def test_a_machine_that_does_not_reach_itself_is_told_at_once(tmp_path: Path) -> None:
    assert loopback_answers()
    if subprocess.run([*WITHOUT_LOOPBACK, "true"], check=False).returncode != 0:
        pytest.skip("this machine allows no network namespaces: its loopback cannot be down")
    code, lines = start(tmp_path / "var", *WITHOUT_LOOPBACK)
    assert code == 1
    assert lines[-1].startswith("hostsvc: postgres cannot be reached: nothing answers at 127.0.0.1")
    assert "Traceback" not in "".join(lines)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"secret": "x"}'])
def test_damaged_secrets_are_told_and_never_made_anew(tmp_path: Path, text: str) -> None:
    """Made anew, they would open nothing that was sealed before."""
    lay_out(tmp_path)
    (tmp_path / "secrets.json").write_text(text, encoding="ascii")
    with pytest.raises(DamagedFile, match=r"secrets\.json is damaged: put it back"):
        lay_out(tmp_path)
    code, lines = start(tmp_path)
    assert code == 1
    assert lines[0].startswith(f"hostsvc: {tmp_path}/secrets.json is damaged")
    assert (tmp_path / "secrets.json").read_text(encoding="ascii") == text


def test_a_folder_where_a_file_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "hostsvc.env").mkdir()
    (tmp_path / "ports.json").write_text(json.dumps([]), encoding="ascii")
    code, lines = start(tmp_path)
    assert code == 1
    assert lines[-1].startswith("hostsvc: ")
    assert lines[-1].endswith("cannot be used: Is a directory")
