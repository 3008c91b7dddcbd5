"""The second profile as the simulator writes it: what it makes of a payload is what the default
profile says of the same, and the other way round. The host's codecs have no part in it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.simulator.enveloped import NAME, locate, names_for, names_of
from messaging.simulator.spelling import NotSpelt
from messaging.simulator.stamps import read_stamp
from messaging.simulator.strict_json import parse_object

Json = dict[str, Any]
PLAIN = Path(__file__).parents[1] / "protocols" / "golden" / "neso"
GOLDEN = sorted(path.name for path in (PLAIN / NAME).glob("*.json"))
OF_THE_HOST = ("sentAt", "respondedAt", "since")
"""Stamps, which the two profiles have to a different fineness."""


def compared(members: Any) -> Any:
    """Stamps to the nearest second, and no ids: there an answer bears its question's."""
    if isinstance(members, list):
        return [compared(one) for one in members]
    if not isinstance(members, dict):
        return members
    ids = ("messageId", "inReplyTo") if "profile" in members else ()
    told = {name: compared(value) for name, value in members.items() if name not in ids}
    for name in OF_THE_HOST:
        if at := read_stamp(str(told.get(name))):
            told[name] = (at + timedelta(milliseconds=500)).replace(microsecond=0)
    return told


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_payload_says_what_the_default_profiles_says(name: str) -> None:
    ours = names_of(parse_object((PLAIN / NAME / name).read_bytes()))
    assert compared(ours) == compared(parse_object((PLAIN / name).read_bytes()))
    assert ours.get("inReplyTo", ours["messageId"]) == ours["messageId"]


@pytest.mark.parametrize("name", GOLDEN)
def test_and_is_written_as_it_is(name: str) -> None:
    golden = json.loads((PLAIN / NAME / name).read_bytes())
    for fault in golden.get("body", {}).get("faults", ()):
        fault["pointer"] = locate(fault["pointer"])
    again = names_for(names_of(parse_object((PLAIN / NAME / name).read_bytes())))
    assert json.loads(json.dumps(again)) == golden


@pytest.mark.parametrize(
    ("pointer", "theirs"),
    [
        ("", ""),
        ("/controlPoint", "/body/target/control_point"),
        ("/levels/0/levelFrom", "/body/profile/0/from/mw"),
        ("/records/12/offerPrice", "/body/rows/12/prices/offer"),
        ("/records/3", "/body/rows/3"),
        ("/sentAt", "/header/created"),
        ("/messageId", "/header/id"),
        ("/elsewhere/1", "/elsewhere/1"),
    ],
)
def test_a_fault_is_told_where_their_payload_has_it(pointer: str, theirs: str) -> None:
    assert locate(pointer) == theirs


def changed(name: str, *steps: str, value: Any) -> Json:
    payload: Json = json.loads((PLAIN / NAME / f"{name}.json").read_bytes())
    inner = payload
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = value
    return payload


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"header": []},
        changed("an_mdv_of_minus_50_mwh", "body", "value", value=-50),
        changed("an_mdv_of_minus_50_mwh", "body", "value", value="5.0"),
        changed("an_mdv_of_minus_50_mwh", "header", "created", value="2026-11-22T10:00:00Z"),
        changed("a_reject_with_reason", "body", "verdict", value="REJECTED"),
        changed("a_reject_with_reason", "body", "decided", value=True),
        changed("run_up_rates_with_two_elbows", "body", "steps", value={}),
        changed("run_up_rates_with_two_elbows", "body", "steps", value=[{"mw_per_minute": "12"}]),
        changed(
            "a_mel_of_100_mw_for_half_an_hour", "body", "profile", value=[{"from": {"at": "10:00"}}]
        ),
        changed(
            "a_mel_of_100_mw_for_half_an_hour",
            *("body", "profile"),
            value=[{"from": {"at": "2026-11-22T10:00:00Z"}}],
        ),
    ],
)
def test_what_is_spelt_as_the_default_profile_has_it_is_not_read(payload: Json) -> None:
    with pytest.raises(NotSpelt):
        names_of(payload)
