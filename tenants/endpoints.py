"""The one door to a tenant's endpoints: whatever writes one has it checked here, and is told which
field is wrong. What the settings of a protocol may be, the protocol says: its kind is registered
when the applications start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import PROTECT, ManyToOneRel

from tenants.addresses import address_fault
from tenants.audit import ledger
from tenants.audit.events import Event, Fact
from tenants.clock import now
from tenants.models import Endpoint, Environment, Peer
from tenants.scope import require_tenant

_LONGEST_NAME = 60
OWN_SERVERS = ("sftp", "ftps")
"""How the host connects to a server of the tenant's own."""


@dataclass(frozen=True, slots=True)
class EndpointFault:
    """What is wrong with a field; of `settings`, `setting` is which."""

    field: str
    text: str
    setting: str = ""

    def __str__(self) -> str:
        name = f"{self.field} {self.setting}" if self.setting else self.field
        return f"{name}: {self.text}"


class BadEndpoint(ValueError):
    """An endpoint that can't be; `faults` is all that is wrong with it."""

    def __init__(self, *faults: EndpointFault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class EndpointInUse(Exception):
    """Something was carried to or from it, or belongs to it: it can be held and not removed."""


class AddressRule(Enum):
    """What an endpoint's address is."""

    NONE = "the other side connects to us"
    HTTPS = "https://host[:port][/path]"
    OWN_SERVER = "sftp:// or ftps://host[:port][/path] where the host is the client, else none"


@dataclass(frozen=True, slots=True)
class EndpointKind:
    """What endpoints of one protocol may be.

    `setting_faults` names each wrong setting; `settings` are those there are, `secret` the ones
    among them that are never shown. With `single` a tenant has one in each environment.
    """

    protocol: str
    title: str
    transports: tuple[str, ...]
    address: AddressRule
    setting_faults: Callable[[Mapping[str, object]], Mapping[str, str]]
    settings: tuple[str, ...]
    name: re.Pattern[str]
    secret: frozenset[str] = frozenset()
    single: bool = False

    @property
    def leads_out(self) -> bool:
        """Whether the host connects to it, and so must know a peer."""
        return self.address is AddressRule.HTTPS


_kinds: dict[str, EndpointKind] = {}


def register(*kinds: EndpointKind) -> None:
    """Called as the applications start; the last of a protocol counts."""
    _kinds.update({kind.protocol: kind for kind in kinds})


def find_kind(protocol: str) -> EndpointKind | None:
    return _kinds.get(protocol)


def protocols() -> tuple[str, ...]:
    return tuple(_kinds)


@dataclass(frozen=True, slots=True)
class Draft:
    """An endpoint as it is to be."""

    name: str
    protocol: str
    transport: str
    environment: str
    address: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    peer: Peer | None = None

    @classmethod
    def of(cls, row: Endpoint) -> Draft:
        return cls(
            *(row.name, row.protocol, row.transport, row.environment, row.address),
            *(row.settings, row.peer),
        )


def faults_of(draft: Draft) -> tuple[EndpointFault, ...]:
    """All that is wrong with it by itself, whatever other endpoints there are."""
    kind = find_kind(draft.protocol)
    if kind is None:
        text = f"{draft.protocol[:40]!r} is none of {', '.join(sorted(_kinds))}"
        return (EndpointFault("protocol", text),)
    told = {
        "name": _wrong_name(kind, draft.name),
        "transport": _wrong_choice(draft.transport, kind.transports),
        "environment": _wrong_choice(draft.environment, tuple(Environment.values)),
        "address": _wrong_address(kind, draft),
        "peer": _wrong_peer(kind, draft),
    }
    settings = sorted(kind.setting_faults(draft.settings).items())
    return (
        *(EndpointFault(name, text) for name, text in told.items() if text),
        *(EndpointFault("settings", text, name) for name, text in settings),
    )


def check(draft: Draft) -> Draft:
    """Gives it back; raises BadEndpoint."""
    faults = faults_of(draft)
    if faults:
        raise BadEndpoint(*faults)
    return draft


def add(draft: Draft) -> Endpoint:
    """Adds it to the open scope's tenant. Raises BadEndpoint. Telling of it is the caller's."""
    check(draft)
    clash = clash_of(draft, require_tenant())
    if clash is not None:
        raise BadEndpoint(clash)
    try:
        with transaction.atomic():
            return Endpoint.objects.create(
                tenant_id=require_tenant(),
                name=draft.name,
                protocol=draft.protocol,
                transport=draft.transport,
                environment=draft.environment,
                address=draft.address,
                settings=dict(draft.settings),
                peer=draft.peer,
            )
    except IntegrityError:
        raise BadEndpoint(EndpointFault("name", "there is an endpoint of this name")) from None


def clash_of(draft: Draft, tenant_id: UUID) -> EndpointFault | None:
    """Why the tenant can't have this one beside those that it has."""
    kind = find_kind(draft.protocol)
    same = Endpoint.objects.filter(
        tenant_id=tenant_id, protocol=draft.protocol, environment=draft.environment
    )
    if kind is None or not kind.single or not same.exists():
        return None
    text = f"there is an endpoint of {kind.protocol} in this environment already"
    return EndpointFault("environment", text)


def change(row: Endpoint, **changes: Any) -> tuple[str, ...]:
    """Changes `address`, `settings`, `peer` or `state`, and says which of them it did. Raises
    BadEndpoint.
    """
    state = changes.pop("state", row.state)
    draft = check(replace(Draft.of(row), **changes))
    wanted = {"address": draft.address, "settings": dict(draft.settings), "peer": draft.peer}
    changed = [name for name, value in wanted.items() if getattr(row, name) != value]
    if state != row.state:
        changed.append("state")
    for name, value in {**wanted, "state": state}.items():
        setattr(row, name, value)
    if changed:
        row.save(update_fields=changed)
    return tuple(changed)


def remove(row: Endpoint) -> None:
    """Raises EndpointInUse where anything refers to it."""
    for relation in Endpoint._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel) and relation.on_delete is PROTECT:
            rows = relation.related_model._base_manager.filter(**{relation.field.name: row})
            if rows.exists():
                raise EndpointInUse
    try:
        with transaction.atomic():
            row.delete()
    except IntegrityError:
        raise EndpointInUse from None


def record(row: Endpoint, verb: str, changed: tuple[str, ...], by: str) -> None:
    """Tells the open scope's chain, with the new values of all but settings."""
    detail: dict[str, object] = {
        "what": f"endpoint {row}",
        "endpoint": row.id,
        "protocol": row.protocol,
        "environment": row.environment,
        "verb": verb,
        "fields": ", ".join(changed),
        "by": by,
    }
    told = ("address", "state", "peer")
    detail |= {name: getattr(row, name) for name in changed if name in told}
    ledger.record(Fact(Event.ENDPOINT_CHANGED, now(), detail=detail))


def _wrong_name(kind: EndpointKind, name: str) -> str:
    if len(name) > _LONGEST_NAME or not name.isprintable() or not kind.name.fullmatch(name):
        return f"it is no name of an endpoint of {kind.protocol}"
    return ""


def _wrong_choice(value: str, choices: tuple[str, ...]) -> str:
    return "" if value in choices else f"{value[:40]!r} is none of {', '.join(choices)}"


def _wrong_address(kind: EndpointKind, draft: Draft) -> str:
    if kind.leads_out:
        return address_fault(draft.address)
    if kind.address is AddressRule.OWN_SERVER and draft.settings.get("mode") == "client":
        if draft.transport not in OWN_SERVERS:
            return f"the host is the client by {' or '.join(OWN_SERVERS)} alone"
        return address_fault(draft.address, draft.transport)
    return "the other side connects to us: it must be empty" if draft.address else ""


def _wrong_peer(kind: EndpointKind, draft: Draft) -> str:
    if draft.peer is None:
        return "it leads out, so the peer must be known" if kind.leads_out else ""
    if not kind.leads_out:
        return "the other side is the tenant's own: there is no peer"
    if draft.peer.environment != draft.environment:
        return f"This peer is of the environment {draft.peer.environment}."
    return ""
