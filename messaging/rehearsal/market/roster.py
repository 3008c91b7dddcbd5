"""The replay's own tenants: one control point each for a group of BM units, enrolled in the running
stack beside the demonstration's.

BM units once enrolled stay where they are, so a replay can be repeated, and others be added.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from messaging.rehearsal.authority import Authority, Issued, write_private
from messaging.rehearsal.demonstration import ENVIRONMENT, SIMULATOR
from messaging.rehearsal.market.trust import folder_of, replay_authority
from messaging.rehearsal.service_file import PointAccess
from messaging.relay.register import LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from tenants import directory
from tenants.models import Peer
from tenants.onboarding.enrol import (
    ControlPointPlan,
    KeyPairPlan,
    OperatorPlan,
    TenantPlan,
    enrol,
    point_operator,
)

UNITS_A_POINT = 50
_BY = "replay_market_day"


@dataclass(frozen=True, slots=True)
class Member:
    """A replay tenant and its one control point."""

    tenant: str
    participant_id: str
    trading_agent: str
    control_point: str
    bm_units: tuple[str, ...]

    @classmethod
    def numbered(cls, number: int, bm_units: tuple[str, ...]) -> Member:
        digits = f"{number:03d}"
        return cls(
            f"replay-{digits}", f"REPLAY-{digits}", f"RPL{digits}TA", f"RPL{digits}", bm_units
        )

    def find_tenant(self) -> UUID | None:
        return directory.find_tenant(directory.Known.TENANT_NAME, self.tenant.encode())


class Roster:
    """Who is enrolled for replays of the stack in `var`; kept in a file after each enrolment."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._folder = folder_of(var)
        self._file = self._folder / "roster.json"
        self._members = self._read()

    @property
    def members(self) -> tuple[Member, ...]:
        return tuple(self._members)

    def enrol(self, bm_units: Iterable[str], operator: str) -> None:
        """Enrols the units that are not, and leads every member to the operator at that base URL.

        Run by the staff role. Raises AlreadyKnown where a BM unit is another tenant's.
        """
        peer = Peer.objects.get(name=SIMULATOR)
        for member in self._members:
            tenant_id = member.find_tenant()
            if tenant_id is not None:
                point_operator(tenant_id, OPERATOR_PROTOCOL, operator, peer, by=_BY)
        enrolled = {unit for member in self._members for unit in member.bm_units}
        new = sorted(set(bm_units) - enrolled)
        authority = replay_authority(self._var)
        for begin in range(0, len(new), UNITS_A_POINT):
            units = tuple(new[begin : begin + UNITS_A_POINT])
            member = Member.numbered(len(self._members) + 1, units)
            enrol(self._plan(member, authority, peer, operator), by=_BY)
            self._members.append(member)
            self._write()

    def access(self, bm_units: Iterable[str]) -> tuple[PointAccess, ...]:
        """What the control points of these units connect with."""
        wanted = set(bm_units)
        return tuple(
            PointAccess(
                member.tenant,
                member.participant_id,
                member.control_point,
                member.bm_units,
                self._path(member.control_point, "pem"),
                self._path(member.control_point, "key"),
                self._var / "demo" / "ca.pem",
                driven=True,
            )
            for member in self._members
            if wanted & set(member.bm_units)
        )

    def introduce(self) -> None:
        """Makes the members known to the simulated operator, which reads its file again by itself.

        The next start of the stack writes that file anew, and the next replay comes here again.
        """
        file = self._var / "demo" / "simulator.json"
        told = json.loads(file.read_text(encoding="utf-8"))
        trusted = self._folder / "trusted.pem"
        demonstration = (self._var / "demo" / "ca.pem").read_text()
        write_private(trusted, demonstration + replay_authority(self._var).pem)
        told["tls"]["ca"] = str(trusted)
        ours = [self._for_operator(member) for member in self._members]
        names = {one["participantId"] for one in ours}
        others = [one for one in told["tenants"] if one["participantId"] not in names]
        told["tenants"] = [*others, *ours]
        write_private(file, json.dumps(told, indent=2) + "\n")

    def _plan(self, member: Member, authority: Authority, peer: Peer, operator: str) -> TenantPlan:
        """Its certificates issued, and written but for the keys that only the vault holds."""
        link = authority.issue(member.control_point)
        link.write(self._path(member.control_point, "pem"), self._path(member.control_point, "key"))
        pairs = {name: authority.issue(f"{member.tenant} {name}") for name in ("signing", "client")}
        for name, issued in pairs.items():
            self._path(f"{member.tenant}-{name}", "pem").write_text(issued.pem)
        return TenantPlan(
            name=member.tenant,
            participant_id=member.participant_id,
            trading_agent=member.trading_agent,
            environment=ENVIRONMENT,
            signing=_pair(pairs["signing"]),
            client=_pair(pairs["client"]),
            operators=(OperatorPlan(peer, OPERATOR_PROTOCOL, "https", operator),),
            control_points=(
                ControlPointPlan(
                    member.control_point, member.bm_units, link.pem, LEGACY_PROTOCOL, "tcp"
                ),
            ),
        )

    def _for_operator(self, member: Member) -> Mapping[str, Any]:
        point = {"name": member.control_point, "bmUnits": list(member.bm_units), "driven": False}
        return {
            "participantId": member.participant_id,
            "tradingAgent": member.trading_agent,
            "tlsCertificates": [str(self._path(f"{member.tenant}-client", "pem"))],
            "signingCertificates": [str(self._path(f"{member.tenant}-signing", "pem"))],
            "controlPoints": [point],
        }

    def _path(self, name: str, ending: str) -> Path:
        return self._folder / f"{name}.{ending}"

    def _read(self) -> list[Member]:
        """Those whom the host still knows: its database may have been made anew since."""
        if not self._file.exists():
            return []
        told = json.loads(self._file.read_text(encoding="utf-8"))
        members = [Member(**{**one, "bm_units": tuple(one["bm_units"])}) for one in told]
        return [member for member in members if member.find_tenant() is not None]

    def _write(self) -> None:
        told = [asdict(member) for member in self._members]
        write_private(self._file, json.dumps(told, indent=2) + "\n")


def _pair(issued: Issued) -> KeyPairPlan:
    return KeyPairPlan(issued.pem, issued.key)
