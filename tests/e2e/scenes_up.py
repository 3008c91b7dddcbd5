"""What the host says to the operator over the Wider Access API, to each outcome of the matrix."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from messaging.domain.clock import next_operational_day_start
from messaging.relay.lamps import FAILURES_TO_GO_OUT
from messaging.states import LampState
from tenants.clock import now
from tests.e2e.lanes import Exchange, Json, Lane
from tests.e2e.matrix import Message, Outcome, Seal
from tests.e2e.rig import boa, minute, stamp

FAULTS: Final[dict[Outcome, Json]] = {
    Outcome.LATER: {"fault": "receipt_later", "seconds": 0.2},
    Outcome.REJECTED_LATER: {"fault": "receipt_later", "seconds": 0.2, "status": "REJECTED"},
    Outcome.REFUSED: {"fault": "refuse"},
    Outcome.OUT: {"fault": "r999", "retryAfter": 1},
    Outcome.BARE_503: {"fault": "http_503", "retryAfter": 1},
    Outcome.HTTP_500: {"fault": "http_500"},
    Outcome.NOT_TAKEN: {"fault": "timeout_before"},
    Outcome.UNANSWERED: {"fault": "timeout_after"},
    Outcome.BROKEN_OFF: {"fault": "reset"},
    Outcome.BAD_SIGNATURE: {"fault": "bad_signature"},
    Outcome.STRANGER: {"fault": "wrong_key"},
    Outcome.OTHER_MESSAGE: {"fault": "wrong_in_reply_to"},
    Outcome.STALE: {"fault": "clock_skew", "seconds": 900},
    Outcome.REPEAT: {"fault": "reset"},
}
"""What the operator is made to do, for an outcome that it does not come to of itself."""

ONCE: Final = (Outcome.AT_ONCE, Outcome.LATER, Outcome.REJECTED_LATER, Outcome.REFUSED)
"""Where the first answer counts, and nothing is sent again."""

_REFUSED_IN_THE_END: Final = (Outcome.REFUSED, Outcome.REJECTED_LATER)
_NOT_NOTED: Final = (Outcome.NOT_TAKEN, Outcome.HTTP_500, Outcome.BARE_503)
"""Then the operator notes nothing of what it did not take but that there was something."""

_SAYS_OUT: Final = (Outcome.OUT, Outcome.BARE_503)
_SILENT: Final = (Outcome.NOT_TAKEN, Outcome.UNANSWERED, Outcome.BROKEN_OFF)

_FIRST_STATUS: Final = {
    Outcome.REFUSED: 422,
    Outcome.OUT: 503,
    Outcome.BARE_503: 503,
    Outcome.HTTP_500: 500,
    Outcome.NOT_TAKEN: None,
    Outcome.UNANSWERED: None,
}


def first_status(outcome: Outcome) -> int | None:
    """What the operator notes that it answered at first."""
    return _FIRST_STATUS.get(outcome, 200)


def faults_of(outcome: Outcome, path: str, times: int | None = 1) -> tuple[Json, ...]:
    fault = FAULTS.get(outcome)
    return () if fault is None else ({"path": path, "times": times, **fault},)


def declarations(lane: Lane) -> list[Json]:
    """One of each form, each for a BM unit of its own."""
    number = lane.number()
    head = {"control_point": lane.point}
    start = minute()
    end = start + timedelta(minutes=30)
    times = {"time_from": stamp(start), "time_to": stamp(end)}
    level, rate, value = (head | {"bm_unit": unit} for unit in lane.units[:3])
    levels = [{"type": "Segment", **times, "level_from": number, "level_to": number}]
    rates = [{"type": "RateStep", "rate": f"{number % 900 + 1}.5", "from_mw": None}]
    return [
        {"type": "LevelRedeclaration", "parameter": "MEL", "levels": levels, **level},
        {"type": "RateRedeclaration", "parameter": "RURE", "rates": rates, **rate},
        {"type": "ScalarRedeclaration", "parameter": "NDZ", "value": number, **value},
    ]


def records(lane: Lane) -> Json:
    """A submission."""
    record = {
        "type": "ScalarRecord",
        "parameter": "NDZ",
        "bm_unit": lane.units[0],
        "effective_time": stamp(next_operational_day_start(now())),
        "value": lane.number(),
    }
    agent = lane.told["tradingAgent"]
    return {"type": "Submission", "trading_agent": agent, "sequence": None, "records": [record]}


def instructions(lane: Lane) -> list[Json]:
    """One of each kind, each for a BM unit of its own."""
    boa_unit, other, third = lane.units[:3]
    head = {"controlPoint": lane.point}
    times = {"timeFrom": stamp(minute() + timedelta(minutes=9)), "timeTo": None}
    service = {"service": "FFR", "action": "START", "targetMw": 25}
    return [
        boa(boa_unit, lane.point),
        {"kind": "ANCILLARY", "bmUnit": other, **head, **times, **service},
        {"kind": "EMERGENCY", "bmUnit": third, "text": f"number {lane.number()}", **head},
    ]


def redeclare(lane: Lane, outcome: Outcome) -> None:
    """The first of them that meets an outage keeps the others back; it is another one in each of
    the lanes.
    """
    bodies = declarations(lane)
    if outcome not in _SAYS_OUT:
        submit(lane, outcome, "NESO_Redeclaration", bodies)
        return
    first = list(Seal).index(lane.seal) % len(bodies)
    submit(lane, outcome, "NESO_Redeclaration", bodies[first:] + bodies[:first], times=1)
    wait_until_up(lane)


def submission(lane: Lane, outcome: Outcome) -> None:
    submit(lane, outcome, "NESO_Submission", [records(lane)])


def submit(
    lane: Lane, outcome: Outcome, service: str, bodies: list[Json], times: int | None = None
) -> None:
    """`times` is how often the fault is met: by each, where it is not told."""
    times = len(bodies) if times is None else times
    lane.wa.faults(*faults_of(outcome, service, times))
    since = lane.wa.noted()
    ids = [lane.submit(body) for body in bodies]
    refused = outcome in _REFUSED_IN_THE_END
    for message_id in ids:
        lane.settled(message_id, "REFUSED" if refused else "ACKNOWLEDGED")
    said = lane.wa.exchanges(since, service)
    check_repeats(said, outcome, len(bodies), times)
    later = lane.wa.exchanges(since, service, "out")
    if outcome in (Outcome.LATER, Outcome.REJECTED_LATER):
        lane.until(
            lambda: (
                [one.status for one in lane.wa.exchanges(since, service, "out")]
                == [200] * len(bodies)
            ),
            "as many final receipts, each taken",
        )
        assert {one.said["status"] for one in said} == {"RECEIVED"}
    else:
        assert later == []


def check_repeats(
    said: list[Exchange], outcome: Outcome, count: int, times: int | None = None
) -> None:
    """So many messages, each the same bytes whenever it was sent; the last answer of each counts,
    and the fault was met so many times, once for each message where that is not told. On a slow
    machine an answer may be too late as well, and more be sent again.
    """
    times = count if times is None else times
    by_id: dict[str, list[Exchange]] = defaultdict(list)
    for one in said:
        by_id[str(one.payload.get("messageId") or one.request["exchange"])].append(one)
    if outcome in _NOT_NOTED:
        by_id = {id: found for id, found in by_id.items() if found[0].payload}
    elif outcome not in ONCE:
        assert sum(len(found) - 1 for found in by_id.values()) >= times, said
    assert len(by_id) == count, said
    for found in by_id.values():
        assert len({one.digest for one in found}) == 1, "other bytes under the same id"
        assert found[-1].status == (422 if outcome is Outcome.REFUSED else 200), found
        if outcome is Outcome.REPEAT:
            assert len({one.answer["payloadSha256"] for one in found if one.answer}) == 1, found
    if outcome is not Outcome.AT_ONCE:
        met = [one for one in said if FAULTS[outcome]["fault"] in one.faults]
        assert [one.status for one in met] == [first_status(outcome)] * times, said


def respond(lane: Lane, outcome: Outcome) -> None:
    """The control point accepts three instructions; its answers meet the fault."""
    asked = instructions(lane)
    lane.wa.faults(*faults_of(outcome, "NESO_Instruction", len(asked)))
    since = lane.wa.noted()
    for one in asked:
        lane.wa.control("POST", "/dispatch?wait=0", one)
    good = 422 if outcome is Outcome.REFUSED else 200

    def answered() -> bool:
        said = lane.wa.exchanges(since, "NESO_Instruction")
        last = {one.payload["messageId"]: one for one in said if one.payload}
        again = outcome not in ONCE and outcome not in _NOT_NOTED
        noted = sum(1 for one in said if one.payload)
        return (
            len(last) == len(asked)
            and all(one.status == good for one in last.values())
            and noted >= len(asked) * (2 if again else 1)
        )

    lane.until(answered, "three responses answered")
    said = lane.wa.exchanges(since, "NESO_Instruction")
    check_repeats(said, outcome, len(asked))
    kinds = {one.payload["kind"] for one in said if one.payload}
    assert kinds == {"BOA", "ANCILLARY", "EMERGENCY"}
    assert {one.payload["verdict"] for one in said if one.payload} == {"ACCEPTED"}


def ask_health(lane: Lane, outcome: Outcome) -> None:
    """The lamp tells what the answers were worth; then they are good, and it is lit again."""
    wait_until_up(lane)
    since = lane.wa.noted()
    if outcome is Outcome.AT_ONCE:
        lane.until(lambda: _is_well(lane, since), "Health that is well")
        return
    times = 1 if outcome in _SAYS_OUT else FAILURES_TO_GO_OUT
    last = _lamp_changes(lane)[-1]
    lane.wa.faults(*faults_of(outcome, "NESO_Health", times))
    wanted = LampState.OUT if outcome in (*_SAYS_OUT, *_SILENT) else LampState.UNKNOWN

    def changes() -> list[str]:
        return [to for seq, to in _lamp_changes(lane) if seq > last[0]]

    lane.until(lambda: len(changes()) > 1, f"a lamp that is {wanted} and then lit")
    wait_until_up(lane)
    assert (changes()[0], changes()[-1]) == (wanted.value, LampState.UP.value), changes()
    met = [
        one
        for one in lane.wa.exchanges(since, "NESO_Health")
        if FAULTS[outcome]["fault"] in one.faults
    ]
    assert [one.status for one in met] == [first_status(outcome)] * times, met


def _is_well(lane: Lane, since: int) -> bool:
    said = lane.wa.exchanges(since, "NESO_Health")
    return bool(said) and said[-1].said.get("status") == "OK"


def _lamp_changes(lane: Lane) -> list[tuple[int, str]]:
    """Number of the entry, and what the lamp changed to."""
    rows = lane.query(
        "SELECT seq, record FROM audit_entry WHERE tenant_id = %s AND event = 'connection changed'"
        " ORDER BY seq",
        lane.tenant_id,
    )
    return [(seq, json.loads(bytes(record))["detail"]["to"]) for seq, record in rows]


def normalize(lane: Lane, outcome: Outcome) -> None:
    """What was missed is asked for when an outage of a moment is over, until it is told; what
    waited goes only then.
    """
    wait_until_up(lane)
    since = lane.wa.noted()
    out = {"fault": "http_503", "path": "NESO_Redeclaration", "retryAfter": 1, "times": 1}
    lane.wa.faults(out, *faults_of(outcome, "NESO_Normalization"))
    message_id = lane.submit(declarations(lane)[2])
    lane.settled(message_id, "ACKNOWLEDGED")
    wait_until_up(lane)
    said = lane.wa.exchanges(since, "NESO_Normalization")
    if outcome is Outcome.REFUSED:
        assert [one.status for one in said] == [422], said
        return
    assert (said[-1].status, said[-1].faults) == (200, []), said
    assert said[-1].said["type"] == "normalization"
    if outcome is not Outcome.AT_ONCE:
        assert FAULTS[outcome]["fault"] in said[0].faults, said
        assert (said[0].status, len(said) > 1) == (first_status(outcome), True), said
    went = lane.wa.exchanges(since, "NESO_Redeclaration")
    assert went[-1].request["number"] > said[-1].request["number"], "it did not wait"


def wait_until_up(lane: Lane) -> None:
    """The lamp is lit, and nothing waits for what was missed."""
    statement = (
        "SELECT state, is_holding, normalize_from FROM messaging_connection WHERE tenant_id = %s"
    )
    well = [(LampState.UP.value, False, None)]
    lane.until(lambda: lane.query(statement, lane.tenant_id) == well, "the lamp lit")


UP: Final[dict[Message, Callable[[Lane, Outcome], Any]]] = {
    Message.HEALTH: ask_health,
    Message.NORMALIZATION: normalize,
    Message.REDECLARATION: redeclare,
    Message.RESPONSE: respond,
    Message.SUBMISSION: submission,
}
