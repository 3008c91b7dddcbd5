"""What goes into the image: locked packages alone, the service's own code, and no embedded
server.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.deploy import image
from tests.servers import ROOT

LOCK = (ROOT / "requirements.txt").read_text()


def test_every_package_is_locked_with_its_hashes() -> None:
    packages = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", LOCK, re.MULTILINE | re.DOTALL)
    assert packages
    assert [one for one in packages if "==" not in one or "--hash=sha256:" not in one] == []
    assert "--require-hashes" in image.DOCKERFILE


def test_no_embedded_server_and_no_development_tool_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ours = {re.split(r"[=\[]", one)[0] for one in project["dependencies"]}
    kept_out = {re.split(r"[=\[]", one)[0] for one in extras["embedded"] + extras["dev"]} - ours
    installed = set(re.findall(r"^([a-z0-9-]+)==", LOCK, re.MULTILINE))
    # It comes with the API's description.
    assert kept_out & installed <= {"jsonschema"}


def test_nothing_of_the_developers_stack_or_the_tests_is_copied(tmp_path: Path) -> None:
    image.lay_out(tmp_path)
    top = {path.name for path in tmp_path.iterdir()}
    assert top == {"manage.py", "hostsvc", "tenants", "messaging"}
    for folder in ("embedded", "stack", "supervisor", "__pycache__"):
        assert list(tmp_path.rglob(folder)) == []
    assert (tmp_path / "messaging/protocols/edl/profiles/host-1.toml").is_file()


def test_the_image_runs_as_nobody_and_writes_no_bytecode() -> None:
    assert image.settings()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert image.settings()["DJANGO_SETTINGS_MODULE"] == "hostsvc.settings"
