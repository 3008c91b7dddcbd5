"""A control point that is no program of ours: `openssl s_client` and bytes typed into it, as the
host-1 EDL profile prints them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from tests.e2e.bad_input import last_refusals, refused
from tests.e2e.rig import Rig, minute
from tests.e2e.test_main_job import at_the_operator

pytestmark = pytest.mark.xdist_group("stack")

TENANT, POINT, UNIT = "alder", "ALDR2", "ALDR-F01"
OsTool = Callable[[str], str]


@dataclass(slots=True)
class Typed:
    """What is typed, and what is printed."""

    process: subprocess.Popen[str]

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def printed(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().removesuffix("\n")

    def until(self, code: str) -> str:
        """The next message of that type; the ones before it are acknowledged where they must be."""
        while (line := self.printed())[7:13].strip() != code:
            assert line, "the link is closed"
            if line[13:21] != "00000000":
                self.acknowledge(line)
        return line

    def acknowledge(self, line: str) -> None:
        self.type(f"{line[:7]}ACK   00000000{sent()}{line[13:21]}^OK  ^")


def sent() -> str:
    return minute().strftime("%Y%m%d%H%M%S")


@contextmanager
def s_client(stack: Rig, program: str, shown: str) -> Iterator[Typed]:
    point = next(p for p in stack.tenant(shown)["controlPoints"] if not p["driven"])
    edl = stack.service["edl"]
    files = {name: str(stack.path(point[name])) for name in ("certificate", "key", "ca")}
    process = subprocess.Popen(
        [
            *(program, "s_client", "-quiet", "-verify_return_error", "-verify_ip", edl["host"]),
            *("-connect", f"{edl['host']}:{edl['port']}", "-CAfile", files["ca"]),
            *("-cert", files["certificate"], "-key", files["key"]),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="ascii",
    )
    try:
        yield Typed(process)
    finally:
        process.kill()
        process.communicate()


def hello() -> str:
    return f"{POINT:6}^HELLO 00000000{sent()}00000000^host-1      00000000^"


def test_a_session_typed_into_openssl_goes_up_and_down(stack: Rig, os_tool: OsTool) -> None:
    with s_client(stack, os_tool("openssl"), TENANT) as typed, ThreadPoolExecutor(1) as threads:
        typed.type(hello())
        ready = typed.printed()
        assert ready[:21] == f"{POINT:6}^READY 00000000"
        assert ready[35:56] == "00000000^host-1      "
        assert (ready[64:], len(ready)) == ("^", 65)
        number = int(ready[56:64]) + 1

        at = minute()
        times = (at.strftime("%Y%m%d%H%M"), (at + timedelta(minutes=30)).strftime("%Y%m%d%H%M"))
        series = f"   1{times[0]}   123{times[1]}   123"
        typed.type(f"{POINT:6}^MEL   {number:08d}{sent()}00000000^{UNIT:9}{series}^")
        ack = typed.until("ACK")
        assert ack[13:21] + ack[35:] == f"00000000{number:08d}^OK  ^"
        result = typed.until("RESULT")
        assert result[35:] == f"{number:08d}^OK    OK  {'':80}^"
        typed.acknowledge(result)

        asked = threads.submit(stack.dispatch, UNIT, POINT, wait=20, level=57)
        boai = typed.until("BOAI")
        typed.acknowledge(boai)
        data = boai[44:]
        assert data[:9].strip() == UNIT
        assert data[31:39] == "NNNN   1"
        assert (data[51:57], data[69:]) == ("     0", "    57^")
        answer = f"{UNIT:9}{data[9:19]}{'':64}"
        typed.type(f"{POINT:6}^ACCEPT{number + 1:08d}{sent()}{boai[13:21]}^{answer}^")
        assert typed.until("ACK")[35:43] == f"{number + 1:08d}"
        told = asked.result()
        assert told["response"]["verdict"] == "ACCEPTED"
        assert int(data[9:19]) == told["acceptanceNumber"]
    got = at_the_operator(stack, type="redeclaration", parameter="MEL", bmUnit=UNIT)[-1]
    assert [(one["levelFrom"], one["levelTo"]) for one in got["levels"]] == [(123, 123)]


def test_with_another_tenants_certificate_it_is_told_no_and_closed(
    stack: Rig, os_tool: OsTool
) -> None:
    with refused(stack, "birch"), s_client(stack, os_tool("openssl"), "birch") as typed:
        typed.type(hello())
        nack = typed.printed()
        assert nack[7:21] == "NACK  00000000"
        assert nack[35:48] == "00000000^R001"
        assert typed.printed() == ""
    (told,) = last_refusals(stack, "birch")
    assert told["claimed"] == POINT
