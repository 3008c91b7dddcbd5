"""docs/promises.md names for each promise the tests that show it: they exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = ("Order", "Time", "Once", "Nothing lost", "Dead letters", "Modes", "Restarts")


@lru_cache
def names_in(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    return frozenset(_functions(ast.parse(file.read_text(encoding="utf-8"))))


def _functions(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


@pytest.mark.parametrize(("path", "name"), sorted(set(_NAMED.findall(PAGE))))
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    assert name in names_in(path)


@pytest.mark.parametrize("section", SECTIONS)
def test_each_section_says_what_shows_it(section: str) -> None:
    start = PAGE.index(f"## {section}\n")
    following = PAGE.find("\n## ", start)
    text = PAGE[start : following if following >= 0 else None]
    assert _NAMED.search(text)


def test_whatever_looks_like_a_test_is_named_whole() -> None:
    """A name that is broken by the end of a line, or misspelt, is not passed over."""
    assert len(re.findall(r"::test_", PAGE)) == len(_NAMED.findall(PAGE))
