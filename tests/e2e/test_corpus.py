"""The corpus of bad input leaves nothing out: each code, status and refusal that the wire formats
name has a case.
"""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.servers import ROOT

Case = dict[str, Any]

# The host-1 EDL profile, section Answers.
CODES = (
    *("R001", "R002", "R003", "R004", "R005", "R006", "R007", "R008"),
    *("R010", "R011", "R020", "R030", "R031", "R999"),
)

# The Wider Access API, section HTTP; and what HTTP has besides.
STATUSES = (200, 422, 503, 401, 409, 413, 415, 429)
FURTHER_STATUSES = (400, 404, 405, 408, 431)

# Seals: what a verifier refuses, and what no seal may have.
SEAL_REFUSALS = (
    "unknown thumbprint",
    "untrusted certificate",
    "untrusted certificate of iss",
    "expired",
    "not yet valid",
    "iat too old",
    "iat in the future",
    "wrong aud",
    "jti is not messageId",
    "unknown crit",
    "alg not allowed",
    "none",
    "HMAC",
    "unprotected header",
    "signatures member",
    "swapped certificate",
)

# Of a connection's start: who shows what, and what is not said.
CONNECTIONS = (
    "plain text",
    "no certificate",
    "stranger",
    "expired",
    "revoked",
    "out of its time",
    "another tenant's",
    "no HELLO",
    "a trickle",
)
FLOODS = ("endless", "endless after READY", "thousands without HELLO", "thousands without TLS")


def cases(file: str, *tables: str) -> list[Case]:
    told = tomllib.loads((ROOT / "tests" / "e2e" / file).read_text())
    return [case for table in tables or told for case in told[table]]


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_a_link_has_a_case(code: str) -> None:
    assert [case for case in cases("bad_edl.toml") if case.get("code") == code]


@pytest.mark.parametrize("status", [*STATUSES, *FURTHER_STATUSES])
def test_every_status_has_a_case(status: int) -> None:
    """Content that is refused is 422, and a seal that does not hold 401, without being told."""
    implied = {"refused": 422, "seal": 401, "body": 401}
    statuses = {implied[table] for table in implied if cases("bad_inbound.toml", table)}
    told = {case["status"] for case in cases("bad_inbound.toml", "request", "staged")}
    assert status in statuses | told


@pytest.mark.parametrize("refusal", SEAL_REFUSALS)
def test_every_refusal_of_a_seal_has_a_case_that_names_its_words(refusal: str) -> None:
    found = [c for c in cases("bad_inbound.toml", "seal", "body") if c.get("refusal") == refusal]
    assert found
    assert all(case["says"] for case in found)


@pytest.mark.parametrize("scene", CONNECTIONS)
def test_every_way_to_fail_at_a_connections_start_has_a_case(scene: str) -> None:
    assert scene in [case["scene"] for case in cases("bad_edl.toml", "connection")]


@pytest.mark.parametrize("scene", FLOODS)
def test_every_flood_has_a_case(scene: str) -> None:
    assert scene in [case["scene"] for case in cases("bad_edl.toml", "flood")]


@pytest.mark.parametrize("file", ["bad_edl.toml", "bad_inbound.toml"])
def test_no_two_cases_of_a_table_have_one_name(file: str) -> None:
    for table in tomllib.loads((ROOT / "tests" / "e2e" / file).read_text()).values():
        names = [case["name"] for case in table]
        assert len(names) == len(set(names))
