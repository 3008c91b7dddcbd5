"""What staff do to certificates: revoke and switch, with a reason, told in the tenant's chain."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from tenants.keys import store
from tenants.models import Certificate, PeerCertificate
from tenants.scope import tenant_scope
from tests.admin.test_writing import last_told, post
from tests.api.clients import HOST
from tests.keys.papers import DAY, ROOT, Wish, issue
from tests.people import Cast, Person

LIST = "admin:tenants_certificate_changelist"


def waiting(person: Person, wish: Wish | None = None) -> Certificate:
    """A signing certificate that waits beside the one in use."""
    paper = issue(ROOT, wish)
    with tenant_scope(person.tenant_id):
        slot = store.Slot("simulator", Certificate.Purpose.SIGNING)
        return store.add(slot, paper.pem, paper.key, "a test")


def act(browser: Client, action: str, reason: str, *rows: Certificate) -> str:
    values: dict[str, Any] = {"action": action, "reason": reason}
    values["_selected_action"] = [str(row.id) for row in rows]
    answer = browser.post(reverse(LIST), values)
    assert answer.status_code in (200, 302)
    return "; ".join(str(message) for message in get_messages(answer.wsgi_request))


def state_of(row: Certificate) -> str:
    return Certificate.objects.values_list("state", flat=True).get(id=row.id)


def test_staff_switch_over_and_revoke_with_a_reason(alice: Person, staff: Client) -> None:
    row = waiting(alice)
    assert "is switched to" in act(staff, "switch", "asked by telephone", row)
    assert state_of(row) == "ACTIVE"
    told = last_told(alice.tenant_id)
    assert (told["event"], told["why"], told["by"]) == (
        "key switched to",
        "asked by telephone",
        "ada",
    )
    assert "is revoked" in act(staff, "revoke", "stolen", row)
    assert state_of(row) == "REVOKED"
    told = last_told(alice.tenant_id)
    assert (told["event"], told["reason"], told["by"]) == ("key revoked", "stolen", "ada")


def test_without_a_reason_nothing_is_done(alice: Person, staff: Client) -> None:
    row = waiting(alice)
    assert "Say the reason" in act(staff, "revoke", "  ", row)
    assert state_of(row) == "NEXT"


def test_what_cannot_be_moved_is_said_and_the_others_are(
    alice: Person, bob: Person, staff: Client
) -> None:
    early, good = waiting(alice, Wish(starts=DAY)), waiting(bob)
    told = act(staff, "switch", "a drill", early, good)
    assert "has not begun" in told
    assert (state_of(early), state_of(good)) == ("NEXT", "ACTIVE")
    assert "cannot switch" in act(staff, "switch", "again", good)


def test_who_may_only_look_can_do_neither(alice: Person, staff: Client) -> None:
    row, viewer = waiting(alice), User.objects.create_user("eve", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_certificate"))
    browser = Client(SERVER_NAME=HOST)
    browser.force_login(viewer)
    for action in ("revoke", "switch"):
        act(browser, action, "for fun", row)
    assert state_of(row) == "NEXT"


def test_the_list_shows_states_and_days_left_and_no_key(alice: Person, staff: Client) -> None:
    row = waiting(alice, Wish(ends=12 * DAY))
    page = staff.get(reverse(LIST)).content.decode()
    assert bytes(row.fingerprint or b"").hex() in page
    assert ">11<" in page.replace("\n", "").replace(" ", "")
    shown = staff.get(reverse("admin:tenants_certificate_change", args=[row.id]))
    assert "days before" in shown.content.decode()


def test_a_peers_signers_overlap_and_are_the_vendors_alone(cast: Cast, staff: Client) -> None:
    peer = PeerCertificate.objects.get(pem=cast.operator.signing.pem).peer
    paper = issue(ROOT)
    values = {"peer": peer.id, "purpose": "SIGNING", "state": "ACTIVE", "pem": paper.pem}
    assert post(staff, "peercertificate_add", **values).status_code == 302
    active = PeerCertificate.objects.filter(peer=peer, purpose="SIGNING", state="ACTIVE")
    assert active.count() == 2
    added = active.get(fingerprint=paper.fingerprint)
    assert added.not_after == paper.certificate.not_valid_after_utc
