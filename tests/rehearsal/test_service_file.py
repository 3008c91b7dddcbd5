"""var/service.json as a player reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from messaging.rehearsal.service_file import NotRunning, read_service

TOLD: dict[str, Any] = {
    "edl": {"host": "127.0.0.1", "port": 8100},
    "inbound": {"waUrl": "https://127.0.0.1:1/wa/simulator", "smpUrl": "", "ca": "var/ca.pem"},
    "api": {"url": "http://127.0.0.1:2/api/v1", "openapi": "http://127.0.0.1:2/openapi"},
    "admin": {"url": "http://127.0.0.1:3/admin/", "username": "admin", "password": "made-up"},
    "sftp": None,
    "ftps": None,
    "simulator": {"waUrl": "https://127.0.0.1:4", "controlUrl": "http://127.0.0.1:5"},
    "tenants": [
        {
            "name": "alder",
            "participantId": "ALDER",
            "apiKey": "hsk_made_up",
            "controlPoints": [
                {
                    "name": name,
                    "bmUnits": [f"{name}-1"],
                    "certificate": f"var/demo/{name}.pem",
                    "key": f"/elsewhere/{name}.key",
                    "ca": "var/demo/ca.pem",
                    "driven": driven,
                }
                for name, driven in (("ALDR1", True), ("ALDR2", False))
            ],
        }
    ],
}


def test_the_driven_control_points_are_found_with_what_they_connect_with(tmp_path: Path) -> None:
    file = tmp_path / "service.json"
    file.write_text(json.dumps(TOLD))
    service = read_service(file, Path("/project"))
    (point,) = service.driven()
    assert (point.tenant, point.name, point.bm_units) == ("alder", "ALDR1", ("ALDR1-1",))
    assert point.certificate == Path("/project/var/demo/ALDR1.pem")
    assert point.key == Path("/elsewhere/ALDR1.key")
    assert service.edl == ("127.0.0.1", 8100)


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"edl": {}}', json.dumps({**TOLD, "admin": None})]
)
def test_without_a_whole_file_nothing_is_running(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "service.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(NotRunning, match="start the stack first"):
        read_service(file, tmp_path)
