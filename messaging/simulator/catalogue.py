"""The faults there are and the parameters each takes, as data; which are set now is
`faults.py`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from messaging.simulator import services

Setting = str | int | float | bool


class FaultUnknown(ValueError):
    """Unknown fault, parameter or value; the text says which."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting of a fault; the default's type is the type wanted, and `choices` limits a
    text."""

    default: Setting
    low: float = 0
    high: float = 3600
    choices: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        kinds = {bool: "flag", int: "integer", float: "number", str: "text"}
        return kinds[type(self.default)]

    def read(self, name: str, value: object) -> Setting:
        if not isinstance(value, str | int | float) or not self._fits(value):
            raise FaultUnknown(f"{name} is not a {self.kind}")
        if isinstance(value, int | float) and not self.low <= value <= self.high:
            raise FaultUnknown(f"{name} is not within {self.low}..{self.high}")
        if self.choices and value not in self.choices:
            raise FaultUnknown(f"{name} is none of {', '.join(self.choices)}")
        return value

    def _fits(self, value: Setting) -> bool:
        if isinstance(self.default, float):
            return type(value) in (int, float)
        return type(value) is type(self.default)

    def show(self) -> dict[str, object]:
        shown: dict[str, object] = {"kind": self.kind, "default": self.default}
        if self.kind in ("integer", "number"):
            shown |= {"low": self.low, "high": self.high}
        if self.choices:
            shown["choices"] = self.choices
        return shown


@dataclass(frozen=True, slots=True)
class FaultKind:
    name: str
    does: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    services: tuple[str, ...] = services.WA_SERVICES + services.SMP_SERVICES

    def show(self) -> dict[str, object]:
        parameters = {name: parameter.show() for name, parameter in self.parameters.items()}
        return {"does": self.does, "paths": self.services, "parameters": parameters}


_WITHOUT_SEAL = (services.AUTHENTICATE,)
_SEALED = tuple(
    service
    for service in services.WA_SERVICES + services.SMP_SERVICES
    if service not in _WITHOUT_SEAL
)
_YEAR = 366 * 86400
_RETRY = {"retryAfter": Parameter(5)}
_SIDE = {"direction": Parameter("answers", choices=("answers", "requests"))}
# `path` already names the service, so the violation's own path is `errorPath`.
_ERROR = {
    "code": Parameter("R003"),
    "text": Parameter("refused on request"),
    "errorPath": Parameter(""),
}
_FINAL = {
    "seconds": Parameter(1.0),
    "status": Parameter("ACCEPTED", choices=("ACCEPTED", "REJECTED")),
    **_ERROR,
}
_COPIES = {"copies": Parameter(2, low=2, high=100), "newIds": Parameter(False)}
_DEFERRED = (services.REDECLARATION, services.SUBMISSION)
_BATCHES = (services.ASSET, services.UNIT)
_WITH_TOKEN = (services.ASSET, services.UNIT, services.STATUS)

_KINDS = (
    FaultKind("latency", "answers late", {"ms": Parameter(500, high=600_000)}),
    FaultKind("timeout_before", "takes nothing and never answers"),
    FaultKind("timeout_after", "takes it and never answers"),
    FaultKind("http_500", "answers a bare 500 and takes nothing"),
    FaultKind("http_503", "answers a bare 503 and takes nothing", _RETRY),
    FaultKind("r999", "answers a sealed 503 R999 and takes nothing", _RETRY, _SEALED),
    FaultKind("reset", "takes it and closes the connection in mid-answer"),
    FaultKind(
        "bad_signature", "names the right certificate but signs with another key", _SIDE, _SEALED
    ),
    FaultKind("wrong_key", "signs with a key and certificate that nobody trusts", _SIDE, _SEALED),
    FaultKind("wrong_in_reply_to", "names another message in inReplyTo", _SIDE, _SEALED),
    FaultKind(
        "clock_skew",
        "shifts iat and sentAt of single messages (its whole clock: `POST /clock`)",
        {"seconds": Parameter(600, low=-_YEAR, high=_YEAR), **_SIDE},
        _SEALED,
    ),
    FaultKind(
        "refuse",
        "answers 422 REJECTED, where given only for that bmUnit or parameter",
        {**_ERROR, "bmUnit": Parameter(""), "parameter": Parameter("")},
        _SEALED,
    ),
    FaultKind(
        "partial_errors",
        "finds each `every`-th record or asset wrong: refuses the submission, fails the batch",
        {
            "every": Parameter(3, low=1, high=1_000_000),
            "field": Parameter(""),
            "code": Parameter("R003"),
            "text": Parameter("refused on request"),
        },
        (services.SUBMISSION, *_BATCHES),
    ),
    FaultKind(
        "token_expired",
        "treats the bearer token it is shown as expired from then on",
        {},
        _WITH_TOKEN,
    ),
    FaultKind("receipt_later", "RECEIVED now and the final receipt later", _FINAL, _DEFERRED),
    FaultKind(
        "receipt_missing", "RECEIVED, or a transaction, and nothing more", {}, _DEFERRED + _BATCHES
    ),
    FaultKind(
        "receipt_duplicated",
        "RECEIVED now, later the final receipt several times; or the batch return",
        {**_FINAL, **_COPIES},
        _DEFERRED + _BATCHES,
    ),
    FaultKind(
        "reordered",
        "sends the next `count` instructions in reverse order, after `seconds` what there is",
        {"count": Parameter(2, low=2, high=1000), "seconds": Parameter(1.0, high=60)},
        (services.INSTRUCTION,),
    ),
    FaultKind("duplicated_instruction", "sends it several times", _COPIES, (services.INSTRUCTION,)),
)
CATALOGUE: Mapping[str, FaultKind] = {kind.name: kind for kind in _KINDS}
