"""Nothing that is a secret gets into a log line, whoever put it there."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog

from hostsvc.redaction import GONE, redact

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADANB\n-----END PRIVATE KEY-----"
SECRETS = [
    "hsk_Ab12Cd34_s3cr3t-s3cr3t_s3cr3t",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    PEM,
    PEM[:40],
    "Bearer eyJhbGciOi.abcdefgh.ijklmnop",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln",
]


def clean(line: dict[str, Any]) -> str:
    return json.dumps(redact(None, "info", line), default=str)


@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
@pytest.mark.parametrize("around", ["{}", "before {} after", "x\n{}\ny"])
def test_a_secret_anywhere_in_a_text_is_taken_out(secret: str, around: str) -> None:
    line = {"event": around.format(secret), "deep": {"a": [around.format(secret)]}}
    told = clean(line)
    assert secret.splitlines()[-1][-12:] not in told
    assert GONE in told


@pytest.mark.parametrize("name", ["password", "Authorization", "access_token", "private_key"])
def test_what_is_called_a_secret_is_one(name: str) -> None:
    assert json.loads(clean({name: "whatever", "n": {name: "whatever"}})) == {
        name: GONE,
        "n": {name: GONE},
    }


def test_the_password_of_an_address_goes_and_the_address_stays() -> None:
    told = clean({"event": "lost postgresql://app:hunter2hunter2@db.example:5432/hostsvc"})
    assert "hunter2" not in told
    assert "db.example:5432/hostsvc" in told


def test_ids_numbers_and_plain_words_stay_as_they_are() -> None:
    line = {"tenant_id": "0199-aa", "port": 8100, "ok": True, "none": None, "event": "link closed"}
    assert json.loads(clean(line)) == line


def test_bytes_are_told_by_their_number_alone() -> None:
    assert json.loads(clean({"body": b"abc"})) == {"body": "3 bytes"}


def test_a_traceback_is_cleaned_too() -> None:
    """Through the formatter that every process has."""
    from hostsvc import logs

    root = logging.getLogger()
    before, level = root.handlers, root.level
    output = io.StringIO()
    try:
        logs.configure({"level": "INFO"})
        root.handlers[0].setStream(output)  # type: ignore[attr-defined]
        try:
            raise RuntimeError("with hsk_Ab12Cd34_s3cr3ts3cr3t")
        except RuntimeError:
            structlog.get_logger("tests").exception("it failed", reason=PEM)
            logging.getLogger("a.library").warning("Bearer %s", "abcdefghijklmnop")
    finally:
        root.handlers = before
        root.setLevel(level)
    first, second = (json.loads(line) for line in output.getvalue().splitlines())
    assert "s3cr3t" not in json.dumps(first)
    assert "RuntimeError" in first["exception"]
    assert first["reason"] == GONE
    assert second["event"] == GONE
