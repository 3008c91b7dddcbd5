"""The whole flow of the system operator's overview of the Single Markets Platform's API, over the
running stack: each test is named for the section, or the row of its table, which it shows.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import Any

from tests.e2e.rig import Rig
from tests.smp.assets import asset, listed, table

TENANT = "birch"
UNIT = {"unitName": "Unit of the overview", "services": ["DC"]}


def ask(
    stack: Rig,
    path: str,
    content: bytes | None = None,
    content_type: str = "application/json",
    **asked: str,
) -> Any:
    headers = {"X-API-Key": stack.tenant(TENANT)["apiKey"], "Content-Type": content_type}
    url = f"{stack.service['api']['url']}{path}?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(urllib.request.Request(url, content, headers)) as answer:
        return json.load(answer)


def finished(
    stack: Rig, content: bytes, content_type: str = "application/json", **asked: str
) -> Any:
    job_id = ask(stack, "/smp/uploads", content, content_type, **asked)["id"]

    def job() -> Any:
        found = ask(stack, f"/smp/jobs/{job_id}")
        return found if found["finished_at"] else None

    return stack.until(job, 60)


def batches(stack: Rig, job: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(stack, f"/smp/jobs/{job['id']}/batches")["results"]
    return found


def noted(stack: Rig, service: str) -> list[dict[str, Any]]:
    rows = stack.control("GET", "/messages?since=0")["messages"]
    return [row for row in rows if row["service"].endswith(service) and row["role"] == "request"]


def test_manage_asset_create_is_answered_by_a_transaction_id_and_a_success(stack: Rig) -> None:
    job = finished(stack, listed(asset(n) for n in range(70_000, 70_003)))
    (batch,) = batches(stack, job)
    assert (job["state"], job["rows_registered"]) == ("REGISTERED", 3)
    assert batch["transaction_id"]


def test_authenticate_a_token_is_requested_and_used_in_the_headers_of_the_calls(stack: Rig) -> None:
    """A token that has run out is replaced, and nobody need repeat anything."""
    fault = {"fault": "token_expired", "path": "Asset/Create", "times": 1}
    stack.control("POST", "/faults", {"faults": [fault]})
    before = len(noted(stack, "Authenticate"))
    job = finished(stack, listed([asset(70_010)]))
    assert job["state"] == "REGISTERED"
    assert len(noted(stack, "Authenticate")) > before
    assert batches(stack, job)[0]["attempts"] == 1


def test_manage_unit_create_takes_one_unit_and_its_aligned_assets(stack: Rig) -> None:
    content = listed((asset(n) for n in range(70_100, 70_110)), UNIT)
    job = finished(stack, content, kind="UNIT")
    assert (job["state"], job["rows_registered"]) == ("REGISTERED", 10)
    sent = noted(stack, "Unit/Create")[-1]["payload"]
    assert (sent["unit"]["unitName"], len(sent["assets"])) == (UNIT["unitName"], 10)


def test_maximum_more_than_a_thousand_aligned_assets_are_refused_and_not_split(stack: Rig) -> None:
    content = listed((asset(n) for n in range(71_000, 72_001)), UNIT | {"unitName": "Too large"})
    job = finished(stack, content, kind="UNIT")
    (error,) = ask(stack, f"/smp/jobs/{job['id']}/errors")["results"]
    assert (job["state"], error["text"]) == ("REFUSED", job["reason"])
    assert error["text"].startswith("1001 assets on one unit: the platform takes at most 1000")
    assert not batches(stack, job)


def test_maximum_more_than_a_thousand_assets_go_in_batches_in_order(stack: Rig) -> None:
    content = table(asset(n) for n in range(73_000, 74_500))
    job = finished(stack, content, "text/csv")
    assert [one["rows"] for one in batches(stack, job)] == [1000, 500]


def test_batch_return_a_list_of_errors_names_the_uploaded_rows(stack: Rig) -> None:
    fault = {"fault": "partial_errors", "path": "Asset/Create", "times": 1, "every": 3}
    stack.control("POST", "/faults", {"faults": [fault]})
    job = finished(stack, listed(asset(n) for n in range(75_000, 75_004)))
    errors = ask(stack, f"/smp/jobs/{job['id']}/errors")["results"]
    assert (job["state"], job["rows_registered"]) == ("FAILED", 0)
    assert [(one["row"], one["column"]) for one in errors] == [(3, "assetName")]


def test_get_transaction_status_is_asked_for_one_transaction_at_a_time(stack: Rig) -> None:
    fault = {"fault": "receipt_missing", "path": "Asset/Create", "times": 1}
    stack.control("POST", "/faults", {"faults": [fault]})
    job = finished(stack, listed([asset(76_000)]))
    (batch,) = batches(stack, job)
    asked = [row["payload"] for row in noted(stack, "TransactionStatus") if row["payload"]]
    mine = [one for one in asked if one.get("transactionId") == batch["transaction_id"]]
    own = {"messageId", "sentAt", "profile", "transactionId"}
    assert {frozenset(one) for one in mine} == {frozenset(own)}
    assert batch["settled_by"] == "STATUS"
