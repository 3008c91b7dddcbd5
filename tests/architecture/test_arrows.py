"""The arrows of the house: which folder may import which, read from the code's own imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("hostsvc", "tenants", "messaging")

# From a place to the places it must never import. Places are module prefixes; the longest that fits
# a file counts.
NEVER: dict[str, tuple[str, ...]] = {
    "tenants": ("messaging", "hostsvc"),
    "messaging": ("hostsvc",),
    "messaging.domain": (
        "tenants",
        "messaging.protocols",
        "messaging.relay",
        "messaging.models",
        "messaging.transports",
        "django",
    ),
    "messaging.protocols": (
        "tenants",
        "messaging.relay",
        "messaging.models",
        "messaging.transports",
        "django",
        "socket",
        "ssl",
        "asyncio",
        "urllib3",
    ),
    "messaging.protocols.edl": ("messaging.protocols.edt", "messaging.protocols.neso"),
    "messaging.protocols.edt": ("messaging.protocols.edl", "messaging.protocols.neso"),
    "messaging.protocols.neso": ("messaging.protocols.edl", "messaging.protocols.edt"),
    "messaging.protocols.rest": (
        "messaging.protocols.edl",
        "messaging.protocols.edt",
        "messaging.protocols.neso",
    ),
    "messaging.transports": (
        "messaging.relay",
        "messaging.files",
        "messaging.protocols",
        "messaging.models",
    ),
    "messaging.relay": (
        "messaging.files",
        "messaging.gateway",
        "messaging.inbound",
        "messaging.tasks",
        "messaging.api",
        "messaging.rehearsal",
        "messaging.simulator",
        "messaging.probing",
    ),
    "messaging.probing": (
        "messaging.gateway",
        "messaging.inbound",
        "messaging.tasks",
        "messaging.api",
        "messaging.rehearsal",
        "messaging.simulator",
    ),
    "messaging.edge": (
        "messaging.gateway",
        "messaging.inbound",
        "messaging.relay",
        "messaging.api",
        "messaging.rehearsal",
    ),
    "messaging.files": (
        "messaging.gateway",
        "messaging.inbound",
        "messaging.tasks",
        "messaging.api",
        "messaging.rehearsal",
        "messaging.simulator",
    ),
    "messaging.gateway": ("messaging.inbound", "messaging.api", "messaging.rehearsal"),
    "messaging.inbound": ("messaging.gateway", "messaging.api", "messaging.rehearsal"),
    "hostsvc.embedded": ("django", "messaging", "tenants", "hostsvc.settings"),
    "hostsvc.supervisor": ("django", "messaging", "tenants", "hostsvc.settings"),
    "hostsvc.bootstrap": ("django", "messaging", "tenants", "hostsvc"),
    "tenants.audit.chain": ("django", "tenants"),
}
CLOCKS = ("datetime.now", "time.time", "uuid4", "uuid7", "new_id", "os.urandom", "open")
PURE = ("messaging.domain", "messaging.protocols")


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


@pytest.mark.parametrize("place", NEVER)
def test_no_arrow_runs_back(place: str) -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, path in modules()
        if within(module, place)
        for imported in imports_of(path)
        for never in NEVER[place]
        if within(imported, never)
    ]
    assert not wrong


def test_the_simulator_shares_nothing_with_what_it_tests() -> None:
    own = "messaging.simulator"
    wrong = [
        f"{module} imports {imported}"
        for module, path in modules()
        if within(module, own)
        for imported in imports_of(path)
        if imported.split(".")[0] in (*PACKAGES, "django", "joserfc") and not within(imported, own)
    ]
    assert not [text for text in wrong if not text.endswith("imports messaging")]


def test_only_the_simulators_own_parts_import_it() -> None:
    allowed = ("messaging.simulator", "messaging.management.commands.simulate_ngeso")
    wrong = [
        module
        for module, path in modules()
        if not module.startswith(allowed)
        for imported in imports_of(path)
        if within(imported, "messaging.simulator")
    ]
    assert not wrong


@pytest.mark.parametrize("place", PURE)
def test_pure_code_has_no_clock_no_ids_and_no_files(place: str) -> None:
    """Loading a profile reads its file: the one exception, in the modules that are named for it."""
    wrong = []
    for module, path in modules():
        if not within(module, place) or module.endswith(".loading"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
        wrong += [f"{module}: {call}" for call in calls if call.endswith(CLOCKS)]
    assert not wrong


def test_every_module_opens_with_a_sentence() -> None:
    missing = [
        module
        for module, path in modules()
        if "migrations" not in module
        and path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not missing


def test_look_ups_across_tenants_stand_in_the_directory_alone() -> None:
    """The table of the directory is named in its own module, its model, and migrations."""
    wrong = [
        module
        for module, path in modules()
        if "tenants_directoryentry" in path.read_text(encoding="utf-8")
        and not module.startswith(("tenants.directory", "tenants.migrations"))
    ]
    assert not wrong


def test_endpoints_are_added_through_one_door() -> None:
    wrong = [
        module
        for module, path in modules()
        if "Endpoint.objects.create(" in path.read_text(encoding="utf-8")
        and module != "tenants.endpoints"
    ]
    assert not wrong


def test_the_audit_log_has_one_writer() -> None:
    wrong = [
        module
        for module, path in modules()
        if "audit_append" in path.read_text(encoding="utf-8")
        and not module.startswith(("tenants.audit.ledger", "tenants.audit.migrations"))
        and "audit_append(" in path.read_text(encoding="utf-8")
    ]
    assert not wrong
