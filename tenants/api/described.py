"""How a view that only reads says what it is called in the API's description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import extend_schema, extend_schema_view

V = TypeVar("V", bound=type)


def described(name: str, summary: str, tag: str, **more: Any) -> Callable[[V], V]:
    """`name` is the operation's id, from which clients make their functions' names.

    The text below the summary is the view's own docstring and never that of a class it derives
    from.
    """

    def tell(view: V) -> V:
        text = vars(view).get("__doc__") or f"{summary}."
        told = extend_schema(
            operation_id=name, summary=summary, description=text, tags=[tag], **more
        )
        return extend_schema_view(get=told)(view)

    return tell
