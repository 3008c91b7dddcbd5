"""Every code that the API's problems carry is explained, and the page is written from the table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from rest_framework import exceptions

from tenants.api.explained import PROBLEMS, page

ROOT = Path(__file__).resolve().parent.parent.parent
PLACES = ("tenants", "messaging/api", "messaging/relay", "hostsvc")
TELLING = {"Conflict", "NotNow", "Unprocessable", "Recorded"}
BY_STATUS = {"problem", "_plain"}
FRAMEWORK = (
    exceptions.ParseError,
    exceptions.NotAuthenticated,
    exceptions.AuthenticationFailed,
    exceptions.PermissionDenied,
    exceptions.NotFound,
    exceptions.MethodNotAllowed,
    exceptions.NotAcceptable,
    exceptions.UnsupportedMediaType,
    exceptions.Throttled,
)


def text_of(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def told_in(tree: ast.AST) -> Iterator[str | None]:
    """Codes written out where a problem is made."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in TELLING:
                yield text_of(node.args[0]) if node.args else None
            elif node.func.id in BY_STATUS and len(node.args) > 1:
                yield text_of(node.args[1])
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_code":
            yield text_of(node.value)


def codes() -> set[str]:
    found = {str(one.default_code).replace("_", "-") for one in FRAMEWORK}
    for place in PLACES:
        for path in (ROOT / place).rglob("*.py"):
            told = told_in(ast.parse(path.read_text(encoding="utf-8")))
            found |= {code.replace("_", "-") for code in told if code}
    return found


@pytest.mark.parametrize("code", sorted(codes()))
def test_a_code_is_explained(code: str) -> None:
    assert code in {one.code for one in PROBLEMS}


def test_the_scan_finds_codes_of_every_kind() -> None:
    told = {"last-owner", "not-replayable", "too-large", "idempotency-key-reused", "internal"}
    assert told <= codes()


def test_each_code_stands_once_and_says_something() -> None:
    assert len({one.code for one in PROBLEMS}) == len(PROBLEMS)
    assert all(one.text.endswith(".") and 400 <= one.status < 600 for one in PROBLEMS)


def test_the_page_is_written_from_the_table_as_it_is() -> None:
    assert (ROOT / "docs" / "problems.md").read_text(encoding="utf-8") == page()
