"""Free loopback ports."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hostsvc.supervisor import free_ports, tcp_ready


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


@pytest.mark.parametrize("text", ["", "{", "[1, 99999999]", '{"a": 1}', '["22"]', "[true]"])
def test_a_damaged_memory_is_ignored(tmp_path: Path, text: str) -> None:
    memory = tmp_path / "ports"
    memory.write_text(text, encoding="ascii")
    assert len(set(free_ports(2, remember=memory))) == 2
