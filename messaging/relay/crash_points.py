"""The crash points: what the relay commits and sends, by name, what is durable before and after
each, and which kinds of process do it. How a process dies at one is `tenants.crash`.

A rehearsal of crashes takes its list from here, and holds it against what it sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from tenants import crash


class Kind(StrEnum):
    """A kind of process, by its name in the local stack."""

    GATEWAY = "gateway"
    INBOUND = "inbound"
    WEB = "web"
    URGENT = "worker"
    FILES = "worker-files"
    SMP = "worker-smp"
    WEBHOOKS = "worker-webhooks"
    HOUSEKEEPING = "worker-housekeeping"


class Step(StrEnum):
    """A commit, or a send. There is a point just before it and one just after it."""

    LINK_OPEN = "link-open"
    LINK_READY = "link-ready"
    LINK_TAKE = "link-take"
    LINK_TAKE_AGAIN = "link-take-again"
    LINK_REFUSE = "link-refuse"
    LINK_ANSWER = "link-answer"
    LINK_NUMBER = "link-number"
    LINK_GIVE = "link-give"
    LINK_ACKNOWLEDGED = "link-acknowledged"
    LINK_REFUSED = "link-refused"
    LINK_GO_BACK = "link-go-back"
    LINK_BEAT = "link-beat"
    LINK_CLOSE = "link-close"
    GATEWAY_BEAT = "gateway-beat"
    OPERATOR_TAKE = "operator-take"
    OPERATOR_ANSWER = "operator-answer"
    WAKE_WORKER = "wake-worker"
    WAKE_GATEWAY = "wake-gateway"
    CLAIM = "claim"
    POST = "post"
    SETTLE = "settle"
    FILE_MOVE = "file-move"
    FILE_TAKE = "file-take"
    FILE_ARCHIVE = "file-archive"
    FILE_SET_ASIDE = "file-set-aside"
    FILE_PUT = "file-put"
    FILE_SETTLE = "file-settle"
    SWEEP = "sweep"
    LAPSE = "lapse"
    LINK_WATCH = "link-watch"
    CONNECTIONS_PICK = "connections-pick"
    HEALTH_BEGIN = "health-begin"
    HEALTH_ASK = "health-ask"
    HEALTH_END = "health-end"
    BREAKER_NOTE = "breaker-note"
    BREAKER_PICK = "breaker-pick"
    BREAKER_LOOK = "breaker-look"
    BREAKER_HURRY = "breaker-hurry"
    MISSED_CLAIM = "missed-claim"
    MISSED_LOG = "missed-log"
    MISSED_ASK = "missed-ask"
    MISSED_ANSWER = "missed-answer"
    MISSED_TAKE = "missed-take"
    MISSED_SETTLE = "missed-settle"
    MISSED_ALARM = "missed-alarm"
    MISSED_PUT_OFF = "missed-put-off"
    MISSED_END = "missed-end"
    NOTICE_COPY = "notice-copy"
    NOTICE_SPREAD = "notice-spread"
    GATE_ALARM = "gate-alarm"
    GATE_ARRIVAL = "gate-arrival"
    GATE_PLAN = "gate-plan"
    API = crash.API
    API_KEY_TAKEN = crash.API_KEY_TAKEN
    API_ANSWER_KEPT = crash.API_ANSWER_KEPT
    SMP_BEGIN = "smp-begin"
    SMP_PARTS = "smp-parts"
    SMP_HAND_OVER = "smp-hand-over"
    SMP_GIVE_UP = "smp-give-up"
    SMP_SWEEP = "smp-sweep"
    SMP_CHECK_CLAIM = "smp-check-claim"
    SMP_CHECKED = "smp-checked"
    SMP_JUDGE = "smp-judge"
    SMP_UNREAD = "smp-unread"
    SMP_LATER = "smp-later"
    SMP_LOGIN_TURN = "smp-login-turn"
    SMP_LOGIN = "smp-login"
    SMP_LOGIN_KEPT = "smp-login-kept"
    SMP_LOGIN_LEFT = "smp-login-left"
    SMP_CLAIM = "smp-claim"
    SMP_POST = "smp-post"
    SMP_SETTLE = "smp-settle"
    SMP_ASK_CLAIM = "smp-ask-claim"
    SMP_ASK = "smp-ask"
    SMP_ASKED = "smp-asked"
    WEBHOOK_SWEEP = "webhook-sweep"
    WEBHOOK_LAY_OUT = "webhook-lay-out"
    WEBHOOK_CLAIM = "webhook-claim"
    WEBHOOK_POST = "webhook-post"
    WEBHOOK_SETTLE = "webhook-settle"
    WEBHOOK_RELEASE = "webhook-release"
    LADDER_CLIMB = "ladder-climb"


@dataclass(frozen=True, slots=True)
class Place:
    """`before` and `after` say what a death just there finds. `kinds` are the kinds of process that
    do it. One that is `rare` needs a trouble of its own to be done at all: a rehearsal of crashes
    need not bring it about.
    """

    before: str
    after: str
    kinds: frozenset[Kind]
    rare: bool = False


def _place(before: str, after: str, *kinds: Kind, rare: bool = False) -> Place:
    return Place(before, after, frozenset(kinds), rare)


_LINK, _OPERATOR, _API = Kind.GATEWAY, Kind.INBOUND, Kind.WEB
_WORKERS = (Kind.URGENT, Kind.FILES)
_TIME = Kind.HOUSEKEEPING

PLACES: Mapping[Step, Place] = MappingProxyType(
    {
        Step.LINK_OPEN: _place(
            "the link is the former epoch's",
            "the new epoch is the link's, and the control point has not heard so",
            _LINK,
        ),
        Step.LINK_READY: _place(
            "the epoch is stored; nothing was said on the link",
            "READY, and what must be repeated, has left",
            _LINK,
        ),
        Step.LINK_TAKE: _place(
            "nothing of the message is stored",
            "it is stored under its number with its delivery; it is not acknowledged",
            _LINK,
        ),
        Step.LINK_TAKE_AGAIN: _place(
            "a repeat is not noted", "it is noted, and not acknowledged again", _LINK
        ),
        Step.LINK_REFUSE: _place(
            "nothing of what has no number is stored", "it is stored, and not answered", _LINK
        ),
        Step.LINK_ANSWER: _place(
            "the message is stored; it is not acknowledged",
            "the acknowledgement has left; nobody was woken",
            _LINK,
        ),
        Step.LINK_NUMBER: _place(
            "what waits has no number",
            "it has its number and is logged as sent; no byte has left",
            _LINK,
        ),
        Step.LINK_GIVE: _place(
            "a message is numbered and logged as sent; no byte has left",
            "it has left, and is not acknowledged",
            _LINK,
        ),
        Step.LINK_ACKNOWLEDGED: _place(
            "an acknowledgement that came is not stored", "it is stored", _LINK
        ),
        Step.LINK_REFUSED: _place("a refusal that came is not stored", "it is stored", _LINK),
        Step.LINK_GO_BACK: _place(
            "the numbers stand as they were",
            "what was not taken waits without a number, in a new epoch",
            _LINK,
        ),
        Step.LINK_BEAT: _place("no heartbeat has left", "one has left", _LINK),
        Step.LINK_CLOSE: _place(
            "the link is up for all that is stored", "it is stored as down", _LINK
        ),
        Step.GATEWAY_BEAT: _place(
            "the gateway's life is not renewed", "it is renewed for two seconds", _LINK
        ),
        Step.OPERATOR_TAKE: _place(
            "nothing of what the operator sent is stored",
            "it is stored with its answer, which has not left",
            _OPERATOR,
        ),
        Step.OPERATOR_ANSWER: _place(
            "the answer is stored and has not left", "the answer has left", _OPERATOR
        ),
        Step.WAKE_WORKER: _place(
            "a delivery is due, and nobody knows",
            "a worker's queue has it",
            *(_LINK, _API, *_WORKERS, Kind.SMP, _TIME),
        ),
        Step.WAKE_GATEWAY: _place(
            "a message waits for a link, and no gateway knows",
            "the gateways were told",
            *(_LINK, _OPERATOR, _API, Kind.URGENT, _TIME),
        ),
        Step.CLAIM: _place(
            "the delivery is nobody's",
            "it is claimed, sealed and logged as being sent; no byte has left",
            *_WORKERS,
        ),
        Step.POST: _place(
            "the sealed bytes are stored; none has left",
            "the operator has answered; the answer is not stored",
            *_WORKERS,
        ),
        Step.SETTLE: _place(
            "the answer is not stored",
            "it is stored, with what is to be told of it, and nobody was woken",
            *_WORKERS,
        ),
        Step.FILE_MOVE: _place(
            "the file is the trading point's", "it is out of its reach, and not taken", Kind.FILES
        ),
        Step.FILE_TAKE: _place(
            "nothing of the file is stored",
            "it is stored with its replies and its delivery, and is still to be archived",
            Kind.FILES,
        ),
        Step.FILE_ARCHIVE: _place(
            "the file was taken and lies where it was taken from",
            "it is in the archive; nobody was woken",
            Kind.FILES,
        ),
        Step.FILE_SET_ASIDE: _place(
            "an ill-named file is not alarmed", "it is, and not archived", Kind.FILES
        ),
        Step.FILE_PUT: _place(
            "a reply is logged as being sent, and is not there",
            "it is there, and that is not stored",
            Kind.FILES,
        ),
        Step.FILE_SETTLE: _place("that a reply is there is not stored", "it is stored", Kind.FILES),
        Step.SWEEP: _place(
            "what is due was not handed out",
            "it is put off by two seconds, and was not handed out",
            _TIME,
        ),
        Step.LAPSE: _place("gateways that are silent count as alive", "they have lapsed", _TIME),
        Step.LINK_WATCH: _place(
            "a link is held by a gateway that is gone, or its loss was not alarmed",
            "it is down, or alarmed",
            _TIME,
        ),
        Step.CONNECTIONS_PICK: _place(
            "connections that are due are nobody's",
            "they are this process's, and were not looked at",
            _TIME,
        ),
        Step.HEALTH_BEGIN: _place(
            "what time has done to a connection is not stored",
            "it is stored, and what was made of it was not woken",
            _TIME,
        ),
        Step.HEALTH_ASK: _place("Health was not asked", "its answer is not stored", _TIME),
        Step.HEALTH_END: _place(
            "what Health said is not stored",
            "it is stored; Normalization was not asked for",
            _TIME,
        ),
        Step.BREAKER_NOTE: _place(
            "a delivery that failed is settled, and its endpoint's breaker does not count it",
            "it is counted, and nobody was woken",
            *_WORKERS,
        ),
        Step.BREAKER_PICK: _place(
            "breakers that are due are nobody's", "they are put off, and were not looked at", _TIME
        ),
        Step.BREAKER_LOOK: _place(
            "no delivery is to probe an endpoint that is left alone",
            "one is due, and nobody was woken",
            _TIME,
        ),
        Step.BREAKER_HURRY: _place(
            "what Health said has no probe made due", "it has", _TIME, rare=True
        ),
        Step.MISSED_CLAIM: _place(
            "nobody asks what was missed", "it is claimed, and not asked", _TIME
        ),
        Step.MISSED_LOG: _place(
            "the question is not logged", "it is logged with its bytes; none has left", _TIME
        ),
        Step.MISSED_ASK: _place(
            "the question has not left", "the operator has answered; that is not stored", _TIME
        ),
        Step.MISSED_ANSWER: _place(
            "the answer is not stored", "it is stored; nothing in it was taken", _TIME
        ),
        Step.MISSED_TAKE: _place(
            "an instruction in the answer was not taken",
            "it was, and nobody was woken",
            _TIME,
        ),
        Step.MISSED_SETTLE: _place(
            "a redeclaration that the operator has, waits", "it is settled", _TIME, rare=True
        ),
        Step.MISSED_ALARM: _place(
            "a control point that is not told of is not alarmed", "it is", _TIME, rare=True
        ),
        Step.MISSED_PUT_OFF: _place(
            "a question without an answer is not put off", "it is", _TIME, rare=True
        ),
        Step.MISSED_END: _place(
            "all was asked; what waits is still held",
            "what waits may go; nobody was woken",
            _TIME,
        ),
        Step.NOTICE_COPY: _place(
            "a tenant has no copy of the vendor's notice", "it has its copy", _TIME
        ),
        Step.NOTICE_SPREAD: _place(
            "a notice that all have their copies of is still to be copied", "it is done", _TIME
        ),
        Step.GATE_ALARM: _place(
            "data missing before a gate closes was not alarmed", "it was, in part", _TIME
        ),
        Step.GATE_ARRIVAL: _place("that such data has come was not told", "it was, in part", _TIME),
        Step.GATE_PLAN: _place("the tenant's next look is not planned", "it is planned", _TIME),
        Step.API: _place(
            "nothing of a request is stored",
            "it is stored with its answer, which has not left; nobody was woken",
            _API,
        ),
        Step.API_KEY_TAKEN: _place(
            "a request's idempotency key is free", "it is taken; nothing was done", _API
        ),
        Step.API_ANSWER_KEPT: _place(
            "a request was done; its answer is not kept", "its answer is kept", _API
        ),
        Step.SMP_BEGIN: _place("an upload has no job", "its job has begun, without bytes", _API),
        Step.SMP_PARTS: _place(
            "bytes of an upload are not stored", "they are; the job is no worker's yet", _API
        ),
        Step.SMP_HAND_OVER: _place(
            "the upload is whole, and its job no worker's", "its job is due", _API
        ),
        Step.SMP_GIVE_UP: _place(
            "an upload that broke off has its job", "its job is ended", *(_API, Kind.SMP), rare=True
        ),
        Step.SMP_SWEEP: _place(
            "registrations that are due were not handed out",
            "they are put off by two seconds, and were not handed out",
            Kind.SMP,
        ),
        Step.SMP_CHECK_CLAIM: _place("a file is nobody's to check", "it is claimed", Kind.SMP),
        Step.SMP_CHECKED: _place(
            "rows that were read are not stored", "they are, with how far it was read", Kind.SMP
        ),
        Step.SMP_JUDGE: _place("a file was read, and has no batches", "it has them", Kind.SMP),
        Step.SMP_UNREAD: _place(
            "a file that can't be read is still to be checked",
            "its job is ended",
            Kind.SMP,
            rare=True,
        ),
        Step.SMP_LATER: _place(
            "a job in hand is not put off", "it is due again", Kind.SMP, rare=True
        ),
        Step.SMP_LOGIN_TURN: _place(
            "nobody asks for a token", "one process asks, the others wait", Kind.SMP
        ),
        Step.SMP_LOGIN: _place(
            "the login has not left", "a token has come, and is not stored", Kind.SMP
        ),
        Step.SMP_LOGIN_KEPT: _place("a token is not stored", "all have it", Kind.SMP),
        Step.SMP_LOGIN_LEFT: _place(
            "a login that failed is still under way", "another may ask", Kind.SMP, rare=True
        ),
        Step.SMP_CLAIM: _place(
            "the batch waits",
            "it is sealed and logged as being sent; no byte has left",
            Kind.SMP,
        ),
        Step.SMP_POST: _place(
            "the sealed bytes are stored; none has left",
            "the platform has answered; the answer is not stored",
            Kind.SMP,
        ),
        Step.SMP_SETTLE: _place("the platform's answer is not stored", "it is", Kind.SMP),
        Step.SMP_ASK_CLAIM: _place(
            "a transaction is nobody's to ask about", "it is claimed; no byte has left", Kind.SMP
        ),
        Step.SMP_ASK: _place(
            "a question about a transaction has not left",
            "the platform has answered; that is not stored",
            Kind.SMP,
        ),
        Step.SMP_ASKED: _place("what has become of a transaction is not stored", "it is", Kind.SMP),
        Step.WEBHOOK_SWEEP: _place(
            "webhooks that are due were not handed out",
            "they are put off by two seconds, and nobody was woken",
            _TIME,
        ),
        Step.WEBHOOK_LAY_OUT: _place("new entries are no webhook's to post", "they are", _TIME),
        Step.WEBHOOK_CLAIM: _place(
            "a webhook is nobody's", "it is claimed; nothing was posted", Kind.WEBHOOKS
        ),
        Step.WEBHOOK_POST: _place(
            "an event was not posted", "it was; that is not stored", Kind.WEBHOOKS
        ),
        Step.WEBHOOK_SETTLE: _place("what came of a post is not stored", "it is", Kind.WEBHOOKS),
        Step.WEBHOOK_RELEASE: _place(
            "the webhook is still claimed", "it is nobody's", Kind.WEBHOOKS
        ),
        Step.LADDER_CLIMB: _place(
            "an instruction without an answer was not escalated", "it was, by a step", _TIME
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Point:
    """One place to die at."""

    step: Step
    name: str
    finds: str

    @property
    def place(self) -> Place:
        return PLACES[self.step]


def points() -> Iterator[Point]:
    """All there are, in the order of the table."""
    for step, place in PLACES.items():
        yield Point(step, crash.before(step), place.before)
        yield Point(step, crash.after(step), place.after)


def names() -> frozenset[str]:
    return frozenset(point.name for point in points())
