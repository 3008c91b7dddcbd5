"""The rehearsal's control point over real sockets: what it says, remembers and comes back to."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from asyncio import sslproto
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from messaging.domain.acknowledgements import FreeText, Result, ResultVerdict
from messaging.domain.instructions import BidOfferAcceptance, InstructionAnswer, Verdict
from messaging.domain.messages import BmMessage
from messaging.domain.profile import Segment
from messaging.domain.redeclarations import (
    LevelParameter,
    LevelRedeclaration,
    ScalarParameter,
    ScalarRedeclaration,
)
from messaging.domain.units import RefusalCode
from messaging.protocols.base import Parcel
from messaging.protocols.edl.events import Acknowledged, Broken, Heard, Hello, Refused
from messaging.protocols.edl.loading import OWN_FOLDER
from messaging.rehearsal.control_point import ControlPoint
from messaging.rehearsal.outbox import Answer, Lapsed
from tests.protocols.edl.host import Host
from tests.protocols.edl.rows import CODEC, NAME, PROFILE, UNIT, golden, numbered, small

Scenario = Callable[..., Coroutine[Any, Any, None]]

BOAI = golden("an_acceptance_that_ramps_down_and_back")
QUICKLY = (0.01, 0.05)


def in_a_loop(scenario: Scenario) -> Callable[..., None]:
    """Runs an asynchronous test; one that hangs fails."""

    @wraps(scenario)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(asyncio.wait_for(scenario(*args, **kwargs), 30))

    return run


def sel(value: int) -> ScalarRedeclaration:
    return ScalarRedeclaration(NAME, UNIT, ScalarParameter.SEL, value)


def mel_that_ended(ago: timedelta) -> LevelRedeclaration:
    end = (datetime.now(UTC) - ago).replace(second=0, microsecond=0)
    levels = (Segment(end - timedelta(minutes=30), 100, end, 100),)
    return LevelRedeclaration(NAME, UNIT, LevelParameter.MEL, levels)


def point(host: Host, state: Path | None = None, **options: Any) -> ControlPoint:
    return ControlPoint(NAME, "127.0.0.1", host.port, state=state, back_off=QUICKLY, **options)


def read(content: bytes) -> BmMessage:
    return CODEC.decode(Parcel(content)).messages[0]


@in_a_loop
async def test_a_redeclaration_is_sent_and_acknowledged() -> None:
    async with Host() as host, point(host) as control_point:
        assert await control_point.redeclare(sel(5)) == 1
        assert await control_point.answered(1) == Answer("OK", "")
        assert await control_point.redeclare(sel(6)) == 2
        assert (await control_point.answered(2)).is_ack
        assert [read(content) for content in host.taken.values()] == [sel(5), sel(6)]
        with pytest.raises(LookupError):
            await control_point.answered(3)


@in_a_loop
async def test_a_refusal_comes_back_with_code_and_text() -> None:
    async with Host() as host, point(host) as control_point:
        host.verdicts = [(RefusalCode.OUT_OF_RANGE, "value: SEL is 0 to 9999")]
        number = await control_point.redeclare(sel(99999))
        assert await control_point.answered(number) == Answer("R003", "value: SEL is 0 to 9999")
        assert [refusal.code for refusal in control_point.refusals] == ["R003"]


@in_a_loop
async def test_results_come_one_by_one_and_final_passes_over_held() -> None:
    async with Host() as host, point(host) as control_point:
        for value in (5, 6):
            await control_point.answered(await control_point.redeclare(sel(value)))
        for number in (b"00000001", b"00000002"):
            for name in ("a_result_that_is_held", "a_result_that_refuses"):
                content = golden(name)
                host.say(content[:35] + number + content[43:])
        held = Result(NAME, ResultVerdict.HELD, "R999", "SO out")
        refused = Result(NAME, ResultVerdict.REFUSE, "R030", "R003 above the registered capacity")
        assert await control_point.result(1) == held
        assert await control_point.result(1) == refused
        assert await control_point.result(2, final=True) == refused


@in_a_loop
async def test_an_instruction_is_acknowledged_answered_and_recorded() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.wait_ready()
        before = datetime.now(UTC)
        number = host.say(BOAI)
        arrival = await control_point.wait_for(lambda arrival: arrival.type == "BOAI")
        await host.until(lambda: bool(host.taken))
        assert isinstance(arrival.message, BidOfferAcceptance)
        assert arrival.number == number
        assert before <= arrival.at <= datetime.now(UTC)
        assert host.answers == [Acknowledged(number)]
        accepted = CODEC.decode(Parcel(host.taken[1]))
        assert accepted.messages == (InstructionAnswer(NAME, UNIT, 12345, Verdict.ACCEPTED),)
        assert accepted.stamp.in_reply_to == f"{number:08d}"
        assert await control_point.wait_for(lambda found: found is arrival) is arrival


@in_a_loop
async def test_an_instruction_can_be_left_unanswered_and_answered_later() -> None:
    async with Host() as host, point(host, answer=lambda instruction: None) as control_point:
        await control_point.wait_ready()
        number = host.say(BOAI)
        await control_point.wait_for(lambda arrival: arrival.number == number)
        assert not host.taken
        reason = "Unit has tripped, " * 5
        no = InstructionAnswer(NAME, UNIT, 12345, Verdict.REJECTED, "SAFE", reason)
        await control_point.answered(await control_point.respond(number, no))
        await host.until(lambda: len(host.taken) == 2)
        rejected, rest = (read(content) for content in host.taken.values())
        assert isinstance(rejected, InstructionAnswer)
        assert isinstance(rest, FreeText)
        assert f"{rejected.reason_text}{rest.text}" == reason.rstrip()


@in_a_loop
async def test_a_long_text_is_told_whole() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.tell("x" * 450)
        await host.until(lambda: len(host.taken) == 3)
        texts = [getattr(read(content), "text", "") for content in host.taken.values()]
        assert "".join(texts) == "x" * 450


@in_a_loop
async def test_what_it_cannot_read_is_refused() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.wait_ready()
        host.say(BOAI.replace(b"NNNN", b"NXNN"))
        host.say(numbered(1, "XYZ"))
        host.say(golden("a_mel_of_100_mw_for_half_an_hour"))
        await host.until(lambda: len(host.answers) == 3)
        assert host.answers == [
            Refused(1, "R001", "so_flag: not one of the words it may hold"),
            Refused(2, "R005", "unknown message type"),
            Refused(3, "R005", "unknown message type"),
        ]
        assert [arrival.message for arrival in control_point.received] == [None] * 3


@in_a_loop
async def test_a_repeat_is_answered_again_and_acted_on_once() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.wait_ready()
        host.say(BOAI)
        await host.until(lambda: bool(host.taken))
        again = control_point.received[0].content
        host.write(again + again.replace(b"12345", b"12346") + again.replace(b"0001", b"0009", 1))
        await host.until(lambda: len(host.heard) >= 6)
        assert [arrival.repeated for arrival in control_point.received] == [False, True, True]
        assert len(host.taken) == 1
        said = [getattr(event, "code", "") for event in host.heard[-3:]]
        assert said == ["OK", "R010", "R011"]


@in_a_loop
async def test_a_message_that_was_taken_but_not_answered_is_repeated_byte_for_byte() -> None:
    async with Host() as host, point(host) as control_point:
        host.answering = False
        await control_point.redeclare(sel(5))
        await host.until(lambda: bool(host.taken))
        host.answering = True
        host.hang_up()
        assert await control_point.answered(1) == Answer("OK", "")
        assert host.repeated == [host.taken[1]]
        assert control_point.links == 2


@in_a_loop
async def test_it_comes_when_the_host_does_and_comes_back() -> None:
    host = Host()
    await host.listen()
    await host.close()
    async with point(host) as control_point:
        sending = asyncio.create_task(control_point.redeclare(sel(5)))
        await asyncio.sleep(0.1)
        assert not sending.done()
        await host.listen()
        assert (await control_point.answered(await sending)).is_ack
        await host.close()
        await host.listen()
        await host.until(lambda: len(host.hellos) == 2)
    await host.close()


@in_a_loop
async def test_it_goes_on_after_the_number_that_the_host_took_last() -> None:
    async with Host(last_taken=41) as host, point(host) as control_point:
        assert await control_point.redeclare(sel(5)) == 42
        assert (await control_point.answered(42)).is_ack


async def scripted(replies: dict[bytes, bytes]) -> tuple[asyncio.Server, asyncio.Queue[bytes]]:
    """A host that says what a script has for each message, by how the message begins."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            heard.put_nowait(line)
            writer.write(next((said for key, said in replies.items() if key in line[:21]), b""))
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0), heard


@in_a_loop
async def test_it_goes_back_to_the_number_that_the_host_expects() -> None:
    gap = f"R011{'expected 00000090':80}"
    replies = {
        b"HELLO": small("READY", "host-1      00000000"),
        b"00000001": b"",
        b"00000002": small("NACK", gap, 1) + small("NACK", gap, 2),
        b"00000090": small("ACK", "OK  ", 90),
        b"00000091": small("ACK", "OK  ", 91),
        b"00000092": small("ACK", "OK  ", 92),
    }
    server, heard = await scripted(replies)
    port = server.sockets[0].getsockname()[1]
    async with ControlPoint(NAME, "127.0.0.1", port) as control_point:
        first, second = [await control_point.redeclare(sel(value)) for value in (5, 6)]
        assert (first, second) == (1, 2)
        assert (await control_point.answered(first)).is_ack
        assert (await control_point.answered(second)).is_ack
        assert await control_point.redeclare(sel(7)) == 92
        lines = [await heard.get() for _ in range(6)]
        assert [read(line) for line in lines[1:]] == [sel(5), sel(6), sel(5), sel(6), sel(7)]
    server.close()


@in_a_loop
async def test_a_host_that_cannot_agree_on_a_number_is_left() -> None:
    gap = f"R011{'expected 00000001':80}"
    replies = {
        b"HELLO": small("READY", "host-1      00000000"),
        b"00000001": small("NACK", gap, 1),
    }
    server, heard = await scripted(replies)
    port = server.sockets[0].getsockname()[1]
    async with ControlPoint(NAME, "127.0.0.1", port, back_off=QUICKLY) as control_point:
        await control_point.redeclare(sel(5))
        hellos = 0
        while hellos < 3:
            hellos += b"HELLO" in await heard.get()
    server.close()


@in_a_loop
async def test_a_refused_hello_is_remembered_and_tried_again() -> None:
    async with Host() as host, point(host) as control_point:
        host.refuse_hello = RefusalCode.MALFORMED
        await host.until(lambda: len(host.hellos) == 2)
        assert control_point.refusals[0] == Refused(0, "R001", "not today")
        host.refuse_hello = None
        await control_point.wait_ready()
        assert control_point.links == 1


@in_a_loop
async def test_a_silent_control_point_says_nothing_until_it_speaks_again() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.wait_ready()
        control_point.go_silent()
        host.say(BOAI)
        sending = asyncio.create_task(control_point.redeclare(sel(5)))
        await asyncio.sleep(0.1)
        assert not host.answers
        assert not host.taken
        control_point.speak_again()
        await host.until(lambda: len(host.taken) == 2)
        assert await sending in host.taken
        assert host.answers == [Acknowledged(1)]


@in_a_loop
async def test_nobody_waits_for_one_that_was_stopped() -> None:
    async with Host() as host:
        host.answering = False
        async with point(host) as control_point:
            number = await control_point.redeclare(sel(5))
            waiting = asyncio.create_task(control_point.answered(number))
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await waiting


@in_a_loop
async def test_a_dropped_link_is_made_again() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.wait_ready()
        control_point.drop(stay_away=0.05)
        await host.until(lambda: len(host.hellos) == 2)
        await control_point.wait_ready()
        assert control_point.links == 2


@in_a_loop
async def test_it_beats_and_leaves_a_host_that_says_nothing(tmp_path: Path) -> None:
    quick = (OWN_FOLDER / "host-1.toml").read_text()
    quick = quick.replace("heartbeat_seconds = 30", "heartbeat_seconds = 1")
    quick = quick.replace("silence_seconds = 90", "silence_seconds = 2")
    (tmp_path / "quick.toml").write_text(quick.replace('name = "host-1"', 'name = "quick"', 1))
    patient = replace(PROFILE, name="quick")
    async with (
        Host(profile=patient) as host,
        point(host, profile="quick", profiles=tmp_path) as control_point,
    ):
        await host.until(lambda: len(host.hellos) == 2)
        await control_point.wait_ready()
        first, *between, last = (type(event) for event in host.heard)
        assert (first, set(between), last) == (Hello, {Heard}, Hello)


@in_a_loop
async def test_raw_bytes_are_said_as_they_are() -> None:
    async with Host() as host, point(host) as control_point:
        await control_point.wait_ready()
        control_point.say_raw(b"nonsense\n")
        await host.until(lambda: any(isinstance(event, Broken) for event in host.heard))
        await host.until(lambda: len(host.hellos) == 2)
        assert control_point.refusals[0].code == "R001"


@in_a_loop
async def test_a_series_that_ran_out_before_it_could_be_sent_lapses() -> None:
    host = Host()
    await host.listen()
    await host.close()
    async with point(host) as control_point:
        old = asyncio.create_task(control_point.redeclare(mel_that_ended(timedelta(minutes=1))))
        new = asyncio.create_task(control_point.redeclare(sel(5)))
        await asyncio.sleep(0.05)
        await host.listen()
        with pytest.raises(Lapsed):
            await old
        assert await new == 1
        await control_point.answered(1)
        assert [read(content) for content in host.taken.values()] == [sel(5)]
    await host.close()


# What it remembers.

KILLED = """
import asyncio, sys
from pathlib import Path
from messaging.domain.redeclarations import ScalarParameter, ScalarRedeclaration
from messaging.rehearsal.control_point import ControlPoint

async def main(port, state):
    async with ControlPoint("CPALFA", "127.0.0.1", port, state=Path(state)) as point:
        for value in range(150):
            message = ScalarRedeclaration("CPALFA", "TBMU-1", ScalarParameter.SEL, value)
            asyncio.create_task(point.redeclare(message))
        await asyncio.sleep(60)

asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
"""


@in_a_loop
async def test_a_killed_control_point_loses_nothing_and_says_nothing_twice(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    async with Host() as host:
        host.answering = False
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(host.port), str(state), cwd=Path(__file__).parents[3]
        )
        await host.until(lambda: len(host.taken) == 100)  # its window; 50 more are kept
        host.say(BOAI)
        await host.until(lambda: bool(host.answers))
        child.send_signal(signal.SIGKILL)
        await child.wait()
        first = dict(host.taken)
        host.answering = True
        async with point(host, state) as control_point:
            await host.until(lambda: len(host.taken) == 151)
            assert host.hellos[-1].last_taken == 1
            assert host.repeated == list(first.values())
            assert (await control_point.answered(151)).is_ack
        said = [read(content) for content in host.taken.values()]
        assert said[:150] == [sel(value) for value in range(150)]
        assert said[150:] == [InstructionAnswer(NAME, UNIT, 12345, Verdict.ACCEPTED)]


@in_a_loop
async def test_another_over_the_same_file_knows_answers_and_results(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    async with Host() as host:
        async with point(host, state) as control_point:
            await control_point.answered(await control_point.redeclare(sel(5)))
            content = golden("a_result_that_is_ok")
            host.say(content[:35] + b"00000001" + content[43:])
            await control_point.wait_for(lambda arrival: arrival.type == "RESULT")
        async with point(host, state) as control_point:
            assert await control_point.answered(1) == Answer("OK", "")
            assert await control_point.result(1) == Result(NAME, ResultVerdict.OK, "OK", "")
            assert await control_point.redeclare(sel(6)) == 2
            host.say(BOAI)
            await control_point.wait_for(lambda arrival: arrival.number == 2)


# TLS.


def certificate(folder: Path, name: str) -> Path:
    """A key and its own certificate in one file, made on the spot."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def context(purpose: ssl.Purpose, own: Path, trusted: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cafile=str(trusted))
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(own)
    return made


@pytest.fixture
def oldest_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TLS transport that was closed twice cannot be aborted: so it is in Python 3.11.2, which
    Debian 12 has.
    """
    transport: Any = sslproto._SSLProtocolTransport
    abort_now = transport.abort

    def abort(self: Any) -> None:
        assert self._ssl_protocol is not None, "closed twice before"
        abort_now(self)

    monkeypatch.setattr(transport, "abort", abort)


@pytest.mark.usefixtures("oldest_python")
@in_a_loop
async def test_it_speaks_over_tls_with_its_certificate(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "cpalfa"), certificate(tmp_path, "host.test")
    async with Host(context(ssl.Purpose.CLIENT_AUTH, theirs, ours)) as host:
        client = context(ssl.Purpose.SERVER_AUTH, ours, theirs)
        async with point(host, ssl_context=client, server_name="host.test") as control_point:
            assert (await control_point.answered(await control_point.redeclare(sel(5)))).is_ack
            host.say(BOAI)
            await host.until(lambda: len(host.taken) == 2)
            control_point.drop()
            await host.until(lambda: len(host.hellos) == 2)


@in_a_loop
async def test_a_host_with_another_s_certificate_is_not_spoken_to(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "cpalfa"), certificate(tmp_path, "host.test")
    async with Host(context(ssl.Purpose.CLIENT_AUTH, theirs, ours)) as host:
        client = context(ssl.Purpose.SERVER_AUTH, ours, ours)
        async with point(host, ssl_context=client, server_name="host.test") as control_point:
            await asyncio.sleep(0.2)
            assert not control_point.is_ready
            assert not host.hellos
