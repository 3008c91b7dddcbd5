"""Every transaction and every send of the relay has its pair of crash points, and the table of them
is what the code has; read from the code itself.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.relay.crash_points import PLACES, Kind, Step, points
from tests.architecture.test_arrows import imports_of, modules, within

RELAYING = ("messaging.relay", "messaging.gateway", "messaging.inbound", "messaging.events.posting")

# Where the step stands among the arguments of what opens a transaction.
OPENS = {"in_tenant": 2, "tenant_scope": 1, "reconnecting": 1}

# Functions with transactions that only read, and how many: nothing is different after them.
READS = {
    "messaging.gateway.guard._look_at_links": 1,
    "messaging.gateway.identity.identify": 2,
    "messaging.gateway.plain.still_allowed": 1,
    "messaging.gateway.plain.tunnel_of": 2,
    "messaging.gateway.wakeups._tenants_waiting": 1,
    "messaging.inbound.exchange.refuse_stranger": 1,
    "messaging.inbound.exchange.respond": 1,
    "messaging.relay.cuts._in_force": 1,
    "messaging.relay.from_trading_point.in_turns": 1,
    "messaging.relay.from_trading_point.take": 1,
    "messaging.relay.smp.checking._pieces": 1,
    "messaging.relay.smp.logins._authenticate": 1,
    "messaging.relay.smp.work._check": 1,
    "messaging.relay.smp.work._work_on": 1,
    "messaging.relay.telephone.spread": 2,
}
# Switches of the vendor's, by a person who sees whether they took.
BY_HAND = {"messaging.relay.maintenance.begin": 1, "messaging.relay.maintenance.end": 1}

# What sends: the last name of what is called, in the modules that send so.
SENDS = {
    "messaging.gateway.wire": {"write"},
    "messaging.inbound.app": {"send"},
    "messaging.relay.wake": {"publish"},
    "messaging.relay.carry_file": {"put"},
    "messaging.files.collecting": {"rename", "_archive"},
}
# Files that move within the host before anything is taken of them.
ADMITS = "messaging.files.collecting.admit"


def relaying() -> Iterator[tuple[str, Path]]:
    return ((name, path) for name, path in modules() if any(within(name, r) for r in RELAYING))


def calls_in(path: Path) -> Iterator[tuple[str, ast.Call, list[ast.AST]]]:
    """Each call with the name of the function that it is in, and all that is around it."""

    def walk(node: ast.AST, around: list[ast.AST]) -> Iterator[tuple[str, ast.Call, list[ast.AST]]]:
        if isinstance(node, ast.Call):
            names = [
                n.name for n in around if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
            yield (names[-1] if names else "", node, around)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, [*around, node])

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), [])


def called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def step_named(node: ast.expr | None) -> str:
    """The member of Step that it is, or nothing."""
    text = ast.unparse(node) if node is not None else ""
    owner, _, member = text.rpartition(".")
    return member if owner in ("Step", "crash_points.Step") and member in Step.__members__ else ""


def argument(call: ast.Call, position: int) -> ast.expr | None:
    named = [word.value for word in call.keywords if word.arg == "step"]
    return named[0] if named else (call.args[position] if len(call.args) > position else None)


def test_every_transaction_of_the_relay_has_a_name_or_only_reads() -> None:
    nameless: Counter[str] = Counter()
    for module, path in relaying():
        for function, call, _ in calls_in(path):
            opens = OPENS.get(called(call))
            if opens is not None and not step_named(argument(call, opens)):
                nameless[f"{module}.{function}"] += 1
    assert dict(nameless) == READS | BY_HAND


def test_nothing_of_the_relay_opens_a_transaction_past_the_scope() -> None:
    """But within one, to try a statement that may fail."""
    wrong = [
        f"{module}.{function}"
        for module, path in relaying()
        for function, call, _ in calls_in(path)
        if ast.unparse(call.func).endswith("transaction.atomic")
        and f"{module}.{function}" not in BY_HAND
    ]
    assert not wrong


@pytest.mark.parametrize("module", SENDS)
def test_every_send_is_between_two_points(module: str) -> None:
    (path,) = [path for name, path in modules() if name == module]
    sends = bare = 0
    for function, call, around in calls_in(path):
        if called(call) not in SENDS[module] or f"{module}.{function}" == ADMITS:
            continue
        sends += 1
        withs = [item.context_expr for n in around if isinstance(n, ast.With) for item in n.items]
        opened = [c for c in withs if isinstance(c, ast.Call) and called(c) == "sending"]
        bare += not any(_is_a_step(c.args[0]) for c in opened)
    assert sends
    assert not bare


def _is_a_step(node: ast.expr) -> bool:
    """A name, or the parameter that one comes in."""
    return bool(step_named(node)) or ast.unparse(node) == "step"


def test_every_request_to_another_is_between_two_points() -> None:
    wrong = []
    for module, path in relaying():
        if "messaging.transports.https.post" not in imports_of(path):
            continue
        for function, call, _ in calls_in(path):
            step = argument(call, len(call.args))
            if called(call) == "post" and (step is None or not _is_a_step(step)):
                wrong.append(f"{module}.{function}")
    assert not wrong


def test_the_table_has_each_step_and_each_step_is_somewhere_in_the_code() -> None:
    used = set()
    for module, path in modules():
        if not within(module, "messaging.relay.crash_points"):
            tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            found = [n for n in tree if isinstance(n, ast.Attribute)]
            used |= {step_named(n) for n in found}
            # The API's, which knows nothing of the relay.
            used |= {n.attr for n in found if ast.unparse(n.value) == "crash"}
    assert set(PLACES) == set(Step)
    assert {step.name for step in Step} <= used


def test_each_point_has_a_name_of_its_own_and_says_what_it_finds() -> None:
    all_points = list(points())
    assert len({point.name for point in all_points}) == 2 * len(Step)
    assert all(point.finds and not point.finds.endswith(".") for point in all_points)
    assert all(place.kinds <= set(Kind) and place.kinds for place in PLACES.values())
