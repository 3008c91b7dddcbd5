"""What must be known of a trading point before anything of its is taken: whose agent it speaks as,
for which BM units, and by which profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from messaging.domain.rules import Circumstances
from messaging.protocols.edt.profile import EdtProfile
from messaging.protocols.edt.settings import EdtSettings
from messaging.relay.codecs import file_profile
from messaging.relay.register import FILE_PROTOCOL, find_operator
from messaging.relay.settings import trading_point_settings
from tenants.models import BmUnit, Endpoint, Tenant
from tenants.scope import require_tenant


class NoTradingPoint(LookupError):
    """The tenant in scope has no endpoint of that id for files."""


@dataclass(frozen=True, slots=True)
class TradingPoint:
    """An endpoint for files, and what its tenant may say there. `agent` is the tenant's trading
    agent, empty where it has none; `units` are its BM units in the endpoint's environment with
    their registered capacity (MW); `operator` is the endpoint that submissions go to.
    """

    endpoint_id: UUID
    environment: str
    settings: EdtSettings
    profile: EdtProfile
    agent: str
    suspended: bool
    units: Mapping[str, Decimal | None]
    operator: UUID | None

    def circumstances(self, at: datetime) -> Circumstances:
        """In which rules are held against what was received `at`."""
        return Circumstances(at, self.units)


def get_trading_point(endpoint_id: UUID) -> TradingPoint:
    """Of the tenant in scope, as it is set up now. Raises NoTradingPoint."""
    row = Endpoint.objects.filter(id=endpoint_id, protocol=FILE_PROTOCOL).first()
    if row is None:
        raise NoTradingPoint(str(endpoint_id))
    tenant = Tenant.objects.get(id=require_tenant())
    units = BmUnit.objects.filter(control_point__environment=row.environment)
    operator = find_operator(row.environment)
    return TradingPoint(
        endpoint_id=row.id,
        environment=row.environment,
        settings=trading_point_settings(row.settings),
        profile=file_profile(row.settings),
        agent=tenant.trading_agent,
        suspended=tenant.state == Tenant.State.SUSPENDED,
        units=dict(units.values_list("name", "generation_capacity_mw")),
        operator=operator.id if operator else None,
    )
