"""Free loopback ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hostsvc.supervisor import free_ports, ports, tcp_ready


def test_ports_are_distinct_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert not any(tcp_ready("127.0.0.1", port) for port in ports)


def test_ports_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    memory = tmp_path / "ports"
    first = free_ports(4, remember=memory)
    assert free_ports(4, remember=memory) == first
    assert free_ports(5, remember=memory)[:4] == first


def test_a_port_taken_meanwhile_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    memory = tmp_path / "ports"
    first = free_ports(3, remember=memory)
    with socket.create_server(("127.0.0.1", first[1])):
        second = free_ports(3, remember=memory)
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1] != first[1]


def test_a_port_that_another_process_was_given_is_given_to_nobody_else_until_that_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody listens there meanwhile, as while a server that was killed is started again."""
    code = "from hostsvc.supervisor import free_ports; print(*free_ports(3), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = [int(port) for port in other.stdout.readline().split()]
        monkeypatch.setattr(ports, "candidates", lambda: iter([*theirs, *range(21_000, 22_000)]))
        assert not set(theirs) & set(free_ports(5))
        other.communicate("")
    monkeypatch.setattr(ports, "candidates", lambda: iter(theirs))
    assert list(free_ports(3)) == theirs


def test_a_process_gives_no_port_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = free_ports(1)
    monkeypatch.setattr(ports, "candidates", lambda: iter([first, *range(22_000, 23_000)]))
    assert free_ports(1) != (first,)


def test_a_file_of_another_users_keeps_no_port_from_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getuid()
    (tmp_path / f"hostsvc-ports-{own + 1}").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    with pytest.raises(PermissionError, match="another user's"):
        ports._reservations.__wrapped__()
    monkeypatch.setattr(ports, "_reservations", ports._reservations.__wrapped__)
    assert len(set(free_ports(3))) == 3


def test_what_is_remembered_is_kept_though_whoever_asked_before_still_runs(tmp_path: Path) -> None:
    memory = tmp_path / "ports"
    first = free_ports(2, remember=memory)
    code = (
        "import pathlib, sys; from hostsvc.supervisor import free_ports;"
        "print(*free_ports(2, remember=pathlib.Path(sys.argv[1])))"
    )
    argv = [sys.executable, "-c", code, str(memory)]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert tuple(int(port) for port in told.split()) == first


@pytest.mark.parametrize("text", ["", "{", "[1, 99999999]", '{"a": 1}', '["22"]', "[true]"])
def test_a_damaged_memory_is_ignored(tmp_path: Path, text: str) -> None:
    memory = tmp_path / "ports"
    memory.write_text(text, encoding="ascii")
    assert len(set(free_ports(2, remember=memory))) == 2
