"""Capacity against its limits: every mark told once on the way up, and once on the way down."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import F

from messaging.relay.smp import capacity, deciding
from messaging.smp_models import RegisteredAsset
from tenants.clock import now
from tenants.ids import new_id
from tests.smp.rig import Rig

Told = list[tuple[str, str, int]]


def registered(rig: Rig, site: str, megawatts: str) -> RegisteredAsset:
    """Adds an asset there, and has what it crosses told."""
    name = str(new_id())

    def add() -> RegisteredAsset:
        at = now()
        row = RegisteredAsset.objects.create(
            tenant_id=rig.person.tenant_id,
            environment="simulator",
            name=name,
            key=name,
            valid_from=at,
            site=site,
            capacity_mw=Decimal(megawatts),
            asset={},
        )
        capacity.look("simulator", {site}, at)
        return row

    return rig.within(add)


def told(rig: Rig) -> Told:
    """Site, event and mark of all that was ever told."""
    return [
        (one["site"], event, one["mark"])
        for event in ("alarmed", "capacity eased")
        for one in rig.entries(event)
        if "mark" in one
    ]


def new_since(rig: Rig, before: Told) -> Told:
    rest = told(rig)
    for one in before:
        rest.remove(one)
    return rest


def test_each_mark_of_a_site_is_told_once_up_and_down(rig: Rig) -> None:
    before = told(rig)
    registered(rig, "A", "79.999999")
    assert new_since(rig, before) == []
    last = registered(rig, "A", "0.000001")
    registered(rig, "A", "5")
    assert new_since(rig, before) == [("A", "alarmed", 80)]
    great = registered(rig, "A", "15")
    assert new_since(rig, before) == [("A", "alarmed", m) for m in (80, 90, 100)]
    before = told(rig)
    rig.within(lambda: deciding.withdraw_asset(great.id, "sold", "ann"))
    assert new_since(rig, before) == [("A", "capacity eased", m) for m in (100, 90)]
    before = told(rig)
    rig.within(
        lambda: RegisteredAsset.objects.filter(site="A").exclude(id=last.id).update(valid_to=now())
    )
    rig.within(lambda: deciding.withdraw_asset(last.id, "sold", "ann"))
    assert new_since(rig, before) == [("A", "capacity eased", 80)]


def test_all_sites_together_have_a_limit_of_their_own(rig: Rig) -> None:
    before = told(rig)
    for number in range(6):
        registered(rig, f"S{number}", "50")
    assert new_since(rig, before) == [("", "alarmed", mark) for mark in (80, 90, 100)]
    whole = rig.within(lambda: capacity.whole("simulator"))
    assert (whole.capacity, whole.limit, whole.mark) == (Decimal(300), 300, 100)


def test_what_was_withdrawn_and_other_environments_do_not_count(rig: Rig) -> None:
    row = registered(rig, "A", "99")
    rig.within(lambda: RegisteredAsset.objects.filter(id=row.id).update(valid_to=F("valid_from")))
    assert rig.within(lambda: capacity.largest("simulator", 10)) == []
    assert rig.within(lambda: capacity.whole("production")).capacity == 0
