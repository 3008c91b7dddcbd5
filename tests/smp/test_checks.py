"""What Django's system checks say of the vendor's files for the platform before a start."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from messaging.checks import platform_files


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("host-1.toml", "", ["messaging.E001", "messaging.W002"]),
        ("other.toml", "name = 5", ["messaging.W002"]),
        ("mappings/test.toml", 'name = "test"\n[asset]\ncolour = "x"', ["messaging.W002"]),
        ("mappings/test.toml", 'name = "production"', ["messaging.W002"]),
        ("mappings/test.toml", 'name = "test"\n[asset]\nfuelType = "fuel"', []),
    ],
)
def test_a_file_that_cannot_count_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, told: list[str]
) -> None:
    path = tmp_path / "neso-smp" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    monkeypatch.setattr(settings, "PROFILE_DIR", tmp_path)
    assert [one.id for one in platform_files(None)] == told
