"""What endpoints there can be, told to the register from the protocols there are. Checking and
writing them is the register's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from django.conf import settings as configured

from messaging.protocols.base import Protocol
from messaging.protocols.neso.settings import SmpSettings
from messaging.protocols.neso.smp import loading as smp_files
from messaging.protocols.registry import PROTOCOLS, get_protocol
from messaging.protocols.settings import BadSettings
from tenants.endpoints import AddressRule, EndpointKind

LEADS_TO_THE_OPERATOR = frozenset({"neso-wa"})
FILES = "edt"
_CONTROL_POINT = re.compile(r"[!-\]_-~]{1,6}")
"""Printable ASCII without a blank or the mark that ends a part, as long as EDL's prefix has room
for.
"""

_NAMES = {"edl": _CONTROL_POINT}
_ANY_NAME = re.compile(r"\S(.*\S)?")

SMP = EndpointKind(
    protocol="neso-smp",
    title="Single Markets Platform over HTTPS",
    transports=("https",),
    address=AddressRule.HTTPS,
    setting_faults=lambda given: faults_by_name(_smp_settings, given),
    settings=tuple(one.name for one in fields(SmpSettings)),
    name=_ANY_NAME,
    single=True,
)


def _smp_settings(given: Mapping[str, object]) -> SmpSettings:
    folder = configured.PROFILE_DIR / smp_files.PROTOCOL
    return SmpSettings.parse(given, profiles=smp_files.find_profiles(folder))


def kinds() -> tuple[EndpointKind, ...]:
    return (*map(_kind_of, PROTOCOLS.values()), SMP)


def faults_by_name(
    parse: Callable[[Mapping[str, object]], object], given: Mapping[str, object]
) -> dict[str, str]:
    """Each wrong setting and what is wrong with it."""
    try:
        parse(given)
    except BadSettings as error:
        return {fault.name: fault.text for fault in error.faults}
    return {}


def _kind_of(built_in: Protocol) -> EndpointKind:
    """With the profiles of the vendor's folder as well."""
    protocol = get_protocol(built_in.name, configured.PROFILE_DIR)
    leads_out = protocol.name in LEADS_TO_THE_OPERATOR
    inwards = AddressRule.OWN_SERVER if protocol.name == FILES else AddressRule.NONE
    defaults: Any = protocol.settings({})
    return EndpointKind(
        protocol=protocol.name,
        title=protocol.title,
        transports=protocol.transports,
        address=AddressRule.HTTPS if leads_out else inwards,
        setting_faults=lambda given: faults_by_name(protocol.settings, given),
        settings=tuple(one.name for one in fields(defaults)),
        name=_NAMES.get(protocol.name, _ANY_NAME),
        single=leads_out,
    )
