"""A submission as the API shows it: its beginning, however long it is, and its reply files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from messaging.models import Message
from messaging.relay import from_trading_point
from messaging.relay.from_trading_point import Arrived
from tenants import endpoints
from tenants.clock import now
from tenants.endpoints import Draft
from tenants.models import Endpoint
from tenants.scope import tenant_scope
from tests.api.conftest import Ask
from tests.api.test_description import answered, fits
from tests.people import Person

LINE = "NDZ,ALITA,ALICP1-1,2100-01-01 05:00,5\n"


@pytest.fixture(scope="module")
def files(alice: Person) -> Endpoint:
    with tenant_scope(alice.tenant_id):
        return endpoints.add(Draft("files", "edt", "sftp", "simulator"))


def shown(
    alice: Person, files: Endpoint, asking: Ask, path: Path, sequence: int, content: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The submission as the API shows it, and its replies."""
    path.write_text(content)
    name = f"ALITA_{sequence:06d}"
    arrived = Arrived(alice.tenant_id, files.id, f"{name}.sub", path, now())
    from_trading_point.take(arrived)
    with tenant_scope(alice.tenant_id):
        row = Message.objects.get(endpoint=files, reference=name)

    def get(row_id: object) -> dict[str, Any]:
        told = asking(alice).get(f"/api/v1/messages/{row_id}")
        assert told.status_code == 200
        found: dict[str, Any] = told.json()
        fits(found, answered("messages/<uuid:message_id>", "200"))
        return found

    whole = get(row.id)
    return whole, [get(row_id) for row_id in whole["answered_by"]]


def test_a_long_submission_is_shown_by_its_beginning(
    alice: Person, files: Endpoint, asking: Ask, tmp_path: Path
) -> None:
    content = "* made by hand\n\n" + LINE * 700
    whole, replies = shown(alice, files, asking, tmp_path / "x", 1, content)
    assert whole["message"]["kind"] == "SUBMISSION"
    assert len(whole["content"]["records"]) == 500
    assert whole["records_left_out"] == 200
    assert [one["message"]["kind"] for one in replies] == ["ACK_FILE"]
    assert replies[0]["content"] is None
    assert replies[0]["content_fault"] == "a reply file says it in its bytes"
    assert [one["lane"] for one in replies[0]["deliveries"]] == ["files"]


def test_of_a_refused_one_what_can_be_read_is_shown(
    alice: Person, files: Endpoint, asking: Ask, tmp_path: Path
) -> None:
    content = f"{LINE}XYZ\n{LINE}NDZ,ALITA,\n"
    whole, replies = shown(alice, files, asking, tmp_path / "x", 2, content)
    assert whole["message"]["refusal_code"] == "E005"
    assert len(whole["content"]["records"]) == 2
    assert whole["records_left_out"] == 2
    assert [one["message"]["kind"] for one in replies] == ["ACK_FILE", "REJ_FILE"]
