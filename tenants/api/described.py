"""How a view says what it is called in the API's description."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema, extend_schema_view

V = TypeVar("V", bound=type)


def described(
    name: str, summary: str, tag: str, *, method: str = "get", **more: Any
) -> Callable[[V], V]:
    """`name` is the operation's id, from which clients make their functions' names.

    Parameters are those of the view's `question`, unless others are given. The text below the
    summary is the view's own docstring, for a method other than GET that method's, and never that
    of a class it derives from.
    """

    def tell(view: V) -> V:
        question = getattr(view, "question", None)
        if method == "get" and getattr(question, "_declared_fields", None):
            more.setdefault("parameters", [question])
        text = vars(view).get("__doc__") if method == "get" else vars(view)[method].__doc__
        told = extend_schema(
            operation_id=name,
            summary=summary,
            description=cleandoc(text) if text else f"{summary}.",
            tags=[tag],
            **more,
        )
        return extend_schema_view(**{method: told})(view)

    return tell
