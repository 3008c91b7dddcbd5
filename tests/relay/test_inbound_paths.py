"""At which addresses the inbound service listens: those of every profile that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from messaging.inbound import exchange
from messaging.inbound.exchange import services_at
from messaging.protocols.neso.wa.loading import OWN_FOLDER
from messaging.relay.codecs import get_codec

MESSAGE = "018f3d6e-7b00-7c3a-9a41-0123456789ab"


def forget() -> None:
    get_codec.cache_clear()
    exchange._codecs.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The vendor's folder of Wider Access profiles, empty."""
    monkeypatch.setattr(settings, "PROFILE_DIR", tmp_path)
    (tmp_path / "neso-wa").mkdir()
    forget()
    yield tmp_path / "neso-wa"
    forget()


def install(folder: Path, name: str, old: str, new: str) -> None:
    text = (OWN_FOLDER / "host-1.toml").read_text()
    assert old in text
    text = text.replace('name = "host-1"', f'name = "{name}"', 1).replace(old, new)
    (folder / f"{name}.toml").write_text(text)


def methods_at(place: str, environment: str = "simulator") -> set[str]:
    found, services = services_at(f"/wa/{environment}/{place}")
    assert found == (environment if services else found)
    return {service.method for service in services}


@pytest.mark.parametrize(
    ("place", "methods"),
    [
        ("NESO_Instruction", {"POST"}),
        (f"dispatches/{MESSAGE}", {"PUT"}),
        ("status", {"POST"}),
        ("dispatches/7", set()),
        ("dispatches/{messageId}", set()),
        ("NESO_Instruction/", set()),
        ("", set()),
    ],
)
def test_the_addresses_of_both_profiles_are_served(
    folder: Path, place: str, methods: set[str]
) -> None:
    assert methods_at(place) == methods
    assert methods_at(place, "production") == methods
    assert methods_at(place, "nowhere") == set()


def test_a_vendors_profile_adds_its_addresses_and_may_share_ours(folder: Path) -> None:
    install(folder, "mine", '"/NESO_Health"', '"/alive"')
    assert methods_at("alive") == {"POST"}
    assert len(services_at("/wa/simulator/NESO_Instruction")[1]) == 2


def test_a_profile_with_faults_adds_nothing_and_takes_nothing_away(folder: Path) -> None:
    install(folder, "bad", '"/NESO_Health", method = "POST"', '"/alive", method = "GET"')
    assert methods_at("alive") == set()
    assert methods_at("NESO_Health") == {"POST"}


def test_where_two_profiles_share_an_address_it_takes_the_methods_of_both(folder: Path) -> None:
    install(folder, "mine", 'method = "POST"', 'method = "PUT"')
    assert methods_at("NESO_Health") == {"POST", "PUT"}
