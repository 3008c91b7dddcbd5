"""The compose file against the Compose Specification's schema, the stack that developers run, and
the rules that every container keeps.

compose-spec.json is the schema of github.com/compose-spec/compose-spec as check-jsonschema 0.39
carries it; its licence is beside it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hostsvc.embedded.postgres import SETTINGS
from hostsvc.stack import parts
from hostsvc.stack.layout import PORTS, Layout
from tests.deploy import compose
from tests.servers import ROOT

HERE = Path(__file__).parent
VARIABLES = {
    "HOSTSVC_HOSTS": "api.example,admin.example",
    "HOSTSVC_ORIGINS": "https://admin.example",
    "HOSTSVC_INBOUND_URL": "https://host.example:8443",
}
COMPOSE = compose.read(VARIABLES)
OURS = sorted(name for name, one in COMPOSE.services.items() if one["image"].startswith("hostsvc"))
OF_THE_DEMONSTRATION = {"simulator", "enrol", "control points"}


def test_the_file_fits_the_compose_specification() -> None:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(dict(COMPOSE.content))


def test_a_misspelt_key_would_not_fit() -> None:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    wrong = {**COMPOSE.content, "services": {"web": {"image": "x", "depend_on": []}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_no_server_puts_a_headers_word_in_the_place_of_the_peers_address() -> None:
    """Else anybody could say that they are a proxy of ours."""
    layout = Layout(Path("var"), dict.fromkeys(PORTS, 1), "", "")
    ours = [parts._web(layout, {}, name, "app").argv for name in ("web", "admin")]
    for argv in (*ours, *(COMPOSE.services[name]["command"] for name in ("web", "admin"))):
        assert "--no-proxy-headers" in argv


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_what_has_no_default_is_demanded(name: str) -> None:
    with pytest.raises(compose.Unset, match=name):
        compose.read({key: value for key, value in VARIABLES.items() if key != name})


@pytest.mark.parametrize("name", sorted(COMPOSE.services))
def test_every_container_is_contained(name: str) -> None:
    service = COMPOSE.services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"]["max-size"]
    once = name == "migrate"
    assert service["restart"] == ("no" if once else "unless-stopped")
    assert ("healthcheck" in service) is not once


def test_no_container_runs_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    others = [one for name, one in COMPOSE.services.items() if name not in OURS]
    assert all(one["user"] not in ("root", "0") for one in others)
    assert not any("user" in COMPOSE.services[name] for name in OURS)


@pytest.mark.parametrize("name", sorted(COMPOSE.services))
def test_a_service_has_the_secrets_it_reads_and_no_value_in_the_open(name: str) -> None:
    service = COMPOSE.services[name]
    assert set(service["secrets"]) <= set(COMPOSE.content["secrets"])
    text = json.dumps([service.get("environment", {}), service.get("command", [])])
    read = set(re.findall(r"/run/secrets/(\w+)", text))
    assert read - {"database_"} <= set(service["secrets"])
    for variable, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY|DATABASE_.*URL|REDIS", variable):
            assert str(value).startswith("/run/secrets/"), variable


@pytest.mark.parametrize("name", OURS)
def test_a_service_holds_the_url_of_its_own_role_alone(name: str) -> None:
    role = COMPOSE.services[name]["environment"]["HOSTSVC_DATABASE_ROLE"]
    urls = [secret for secret in COMPOSE.services[name]["secrets"] if "database" in secret]
    assert urls == [f"database_{role}_url"]


def test_only_who_speaks_tls_holds_its_key() -> None:
    holders = [name for name in OURS if "tls_key" in COMPOSE.services[name]["secrets"]]
    assert holders == ["files", "gateway", "inbound"]


def test_what_speaks_no_tls_is_published_on_this_machine_alone() -> None:
    published = {name: one.get("ports", []) for name, one in COMPOSE.services.items()}
    open_to_all = {
        name for name, ports in published.items() if ports and "127.0.0.1" not in ports[0]
    }
    assert open_to_all == {"files", "gateway", "inbound"}
    assert COMPOSE.content["networks"]["inside"] == {"internal": True}


def test_nothing_runs_before_the_migrations_are_applied() -> None:
    order = COMPOSE.in_order()
    assert set(order[:3]) == {"postgres", "redis", "migrate"}
    for name in set(OURS) - {"migrate"}:
        assert COMPOSE.services[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_every_secret_is_explained_in_the_manual() -> None:
    manual = (ROOT / "docs" / "deploy.md").read_text()
    assert [name for name in COMPOSE.content["secrets"] if f"`{name}`" not in manual] == []


def test_the_database_is_set_as_the_developers_one_is() -> None:
    given = dict(one.split("=") for one in COMPOSE.services["postgres"]["command"] if "=" in one)
    sizes = {"shared_buffers", "max_wal_size"}
    assert {name: SETTINGS[name] for name in set(given) - sizes} == {
        name: value for name, value in given.items() if name not in sizes
    }


def test_no_block_is_written_twice() -> None:
    """Blocks of some length that are equal are one anchor."""
    seen: dict[str, list[int]] = {}
    for node in _nodes(yaml.compose(compose.FILE.read_text())):
        text = json.dumps(_plain(node), sort_keys=True)
        if len(text) > 80:
            seen.setdefault(text, []).append(id(node))
    assert [text for text, nodes in seen.items() if len(set(nodes)) > 1] == []


def _nodes(node: Any) -> list[Any]:
    below: list[Any] = []
    if isinstance(node, yaml.MappingNode):
        below = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        below = list(node.value)
    return [node, *(deep for one in below for deep in _nodes(one))]


def _plain(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return [[_plain(name), _plain(value)] for name, value in node.value]
    return [_plain(one) for one in node.value] if isinstance(node.value, list) else node.value


def _developers_stack() -> dict[str, list[str]]:
    layout = Layout(Path("/var"), dict.fromkeys(PORTS, 1), "", "")
    children = [*parts.steps(layout, {}, None), *parts.services(layout, {})]
    return {c.name: list(c.argv) for c in children if c.name not in OF_THE_DEMONSTRATION}


def _without_places(command: list[str]) -> list[str]:
    """A command line without its interpreter, its port and host, and where it writes."""
    line = " ".join(command[1:])
    for place in (r"--host=\S+", r"--port=\S+", r"--schedule \S+", r"--verbosity=\d"):
        line = re.sub(place, "", line)
    return line.split()


def test_the_processes_are_those_of_the_developers_stack() -> None:
    developers = {name: _without_places(command) for name, command in _developers_stack().items()}
    ours = {name: _without_places(COMPOSE.services[name]["command"]) for name in OURS}
    assert ours == developers
