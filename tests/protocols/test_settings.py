"""The settings that an endpoint of each protocol can have, and how wrong ones are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from messaging.protocols import edl, neso
from messaging.protocols.base import Protocol
from messaging.protocols.edl.settings import EdlSettings
from messaging.protocols.neso.settings import SmpSettings, WaSettings
from messaging.protocols.registry import PROTOCOLS
from messaging.protocols.settings import LENIENT_RULES, BadSettings

A_RULE = sorted(LENIENT_RULES)[0]


def faults(protocol: Protocol, given: Mapping[str, object]) -> dict[str, str]:
    with pytest.raises(BadSettings) as refused:
        protocol.settings(given)
    return {fault.name: fault.text for fault in refused.value.faults}


def test_what_is_not_given_has_a_default() -> None:
    assert edl.PROTOCOL.settings({}) == EdlSettings()
    assert neso.PROTOCOL.settings({}) == WaSettings()
    assert SmpSettings.parse({}, profiles=("host-1",)) == SmpSettings()


def test_what_is_given_counts() -> None:
    given: dict[str, Any] = {
        "profile": "host-1",
        "seal": "jws-json",
        "algorithms": ["ES256", "PS256"],
        "algorithm": "PS256",
        "answer_seconds": 60,
        "receipt_seconds": 86_400,
        "warn_only": [A_RULE],
        "health_seconds": 5,
    }
    read = neso.PROTOCOL.settings(given)
    assert read == WaSettings(
        "host-1", "jws-json", ("ES256", "PS256"), "PS256", 60, 86_400, (A_RULE,), 5
    )
    assert edl.PROTOCOL.settings({"warn_only": [A_RULE]}) == EdlSettings("host-1", (A_RULE,))
    assert neso.PROTOCOL.settings({"algorithm": None}) == WaSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile", "host-0"),
        ("profile", "../host-1"),
        ("profile", None),
        ("profile", ["host-1"]),
        ("seal", "rot13"),
        ("seal", 1),
        ("algorithms", ["none"]),
        ("algorithms", ["HS256"]),
        ("algorithms", "ES256"),
        ("algorithms", []),
        ("algorithms", ["ES256", "ES256"]),
        ("algorithms", [["ES256"]]),
        ("algorithms", {"ES256": 1}),
        ("algorithm", "none"),
        ("algorithm", ["ES256"]),
        ("algorithm", ""),
        ("answer_seconds", 0),
        ("answer_seconds", 61),
        ("answer_seconds", "5"),
        ("answer_seconds", 5.0),
        ("answer_seconds", True),
        ("receipt_seconds", -1),
        ("receipt_seconds", 86_401),
        ("receipt_seconds", None),
        ("health_seconds", 0),
        ("health_seconds", 3_601),
        ("warn_only", ["no-such-rule"]),
        ("warn_only", A_RULE),
        ("password", "x"),
        ("Profile", "host-1"),
        ("", 1),
    ],
)
def test_a_wrong_setting_of_the_wider_access_api_is_named(name: str, value: object) -> None:
    assert set(faults(neso.PROTOCOL, {name: value})) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile", "host-2"),
        ("seal", "jws-json"),
        ("warn_only", ["level-range-x"]),
        ("x", 1),
        ("alarm_seconds", -1),
        ("alarm_seconds", 86_401),
        ("alarm_seconds", "5"),
        ("plain_from", "10.8.1.0/24"),
        ("plain_from", ["10.8.1.0/24", 7]),
        ("plain_from", ["10.8.1.1/24"]),
        ("plain_from", ["tunnel.example"]),
        ("plain_from", ["10.8.1.0/24", "10.8.1.0/24"]),
        ("plain_from", [f"10.8.{n}.0/24" for n in range(33)]),
    ],
)
def test_a_wrong_setting_of_edl_is_named(name: str, value: object) -> None:
    assert set(faults(edl.PROTOCOL, {name: value})) == {name}


def test_all_that_is_wrong_is_told_at_once() -> None:
    given = {"seal": "x", "algorithms": 3, "answer_seconds": 1e9, "unheard": "of"}
    assert set(faults(neso.PROTOCOL, given)) == set(given)


def test_what_is_told_of_a_wrong_value_is_bounded() -> None:
    (text,) = faults(neso.PROTOCOL, {"seal": "x" * 100_000}).values()
    assert len(text) < 500
    (name,) = faults(neso.PROTOCOL, {"x" * 100_000: 1})
    assert len(name) < 100


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_settings_can_be_neither_changed_nor_added_to(protocol: Protocol) -> None:
    read: Any = protocol.settings({})
    with pytest.raises(AttributeError):
        read.profile = "host-2"
    with pytest.raises((AttributeError, TypeError)):
        read.another = 1


def test_negative_control_what_is_left_over_is_refused_by_closing_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the reading never closed, all the wrong ones above would pass."""
    monkeypatch.setattr("messaging.protocols.settings.Reading.close", lambda self: None)
    assert neso.PROTOCOL.settings({"password": "x", "seal": "rot13"}) == WaSettings()


def test_a_setting_of_the_platform_that_cannot_be_is_named() -> None:
    given = {"unanswered": "perhaps", "poll_seconds": 0, "password": "x", "profile": "host-9"}
    with pytest.raises(BadSettings) as refused:
        SmpSettings.parse(given, profiles=("host-1",))
    assert sorted(one.name for one in refused.value.faults) == sorted(given)
