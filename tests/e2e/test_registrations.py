"""Registrations through the running stack: by the API, the workers, the inbound application and the
simulated platform.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.e2e.rig import Rig
from tests.smp.assets import asset, table


def ask(stack: Rig, path: str, content: bytes | None = None) -> Any:
    """As alder, by its API key."""
    headers = {"X-API-Key": stack.tenant("alder")["apiKey"], "Content-Type": "text/csv"}
    url = stack.service["api"]["url"] + path
    with urllib.request.urlopen(urllib.request.Request(url, content, headers)) as answer:
        return json.load(answer)


def finished(stack: Rig, content: bytes) -> Any:
    job_id = ask(stack, "/smp/uploads?file_name=assets.csv", content)["id"]

    return stack.until(lambda: _finished(stack, job_id), 60)


def test_a_file_with_bad_rows_is_told_by_row_and_the_mended_one_is_registered(stack: Rig) -> None:
    bad: dict[int, dict[str, Any]] = {
        7: {"importMpan": "1200000000001"},
        1500: {"latitude": 89},
        2499: {"assetName": "Battery 3"},
    }
    job = finished(stack, table(asset(n, **bad.get(n, {})) for n in range(2500)))
    assert (job["state"], job["rows_read"], job["rows_wrong"]) == ("REFUSED", 2500, 3)
    errors = ask(stack, f"/smp/jobs/{job['id']}/errors")["results"]
    assert [(one["row"], one["column"]) for one in errors] == [
        (9, "importMpan"),
        (1502, "latitude"),
        (2501, "assetName"),
    ]
    job = finished(stack, table(asset(n) for n in range(2500)))
    assert (job["state"], job["rows_registered"]) == ("REGISTERED", 2500)
    batches = ask(stack, f"/smp/jobs/{job['id']}/batches")["results"]
    assert [one["rows"] for one in batches] == [1000, 1000, 500]
    assert all(one["attempts"] == 1 and one["transaction_id"] for one in batches)


def test_a_create_that_got_no_answer_is_settled_by_its_batch_return(stack: Rig) -> None:
    fault = {"fault": "reset", "path": "Asset/Create", "times": 1}
    stack.control("POST", "/faults", {"faults": [fault]})
    job = finished(stack, table(asset(n) for n in range(9000, 9003)))
    assert (job["state"], job["rows_registered"]) == ("REGISTERED", 3)
    (batch,) = ask(stack, f"/smp/jobs/{job['id']}/batches")["results"]
    assert (batch["attempts"], batch["settled_by"]) == (1, "RETURN")


def test_a_worker_killed_over_a_create_leaves_it_sent_once_and_the_job_goes_on(
    stack: Rig,
) -> None:
    """Taken by the platform, whose answer nobody is left to read; the next batch follows when what
    became of it is known.
    """
    fault = {"fault": "timeout_after", "path": "Asset/Create", "times": 1}
    stack.control("POST", "/faults", {"faults": [fault]})
    content = table(asset(n) for n in range(9100, 10_150))
    job_id = ask(stack, "/smp/uploads", content)["id"]
    sending = "SELECT 1 FROM messaging_smpbatch WHERE job_id = %s AND state = 'SENDING'"

    def is_taken() -> bool:
        told = stack.control("GET", "/messages?since=0")["messages"]
        mine = [row for row in told if "Battery 9100" in json.dumps(row["payload"])]
        return bool(mine and stack.query(sending, job_id))

    stack.until(is_taken)
    stack.kill("hostsvc worker")
    job = stack.until(lambda: _finished(stack, job_id), 90)
    assert (job["state"], job["rows_registered"]) == ("REGISTERED", 1050)
    batches = ask(stack, f"/smp/jobs/{job_id}/batches")["results"]
    assert [(one["rows"], one["attempts"]) for one in batches] == [(1000, 1), (50, 1)]
    assert batches[0]["settled_by"] == "RETURN"


def _finished(stack: Rig, job_id: str) -> Any:
    job = ask(stack, f"/smp/jobs/{job_id}")
    return job if job["finished_at"] else None
