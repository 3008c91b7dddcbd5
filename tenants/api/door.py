"""The one door of the tenant's API: whatever a view does for a request, it does inside the asking
tenant's scope, with the permission it takes, and within the caller's quotas.

Views come through it by deriving from one of these classes. One that does not would still be
refused: without a scope the models' manager raises, and the database shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants import crash, credentials
from tenants.api import idempotency, limiting
from tenants.api.authentication import Caller, caller_of
from tenants.api.idempotency import Asked
from tenants.api.pages import OldestFirst
from tenants.api.problems import Recorded
from tenants.api.questions import Question
from tenants.permissions import Permission
from tenants.scope import tenant_scope

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
QUESTION_SECONDS = 10
"""How long any one statement may take: one tenant's dear question must not slow the others'
messages.
"""

M = TypeVar("M", bound=Model)
Handler = Callable[..., Response]


class PermissionNeeded(PermissionDenied):
    """The caller may not do this with rows of its own tenant. `members` go into the problem."""

    default_code = "permission_needed"

    def __init__(self, *needed: Permission) -> None:
        names = " and ".join(f"'{one.value}'" for one in needed)
        super().__init__(f"This needs the permission {names}.")
        self.members = {"permissions": [one.value for one in needed]}


class TenantView(APIView):
    """Authenticates, counts the request, checks the permission, then runs the handler in a scope
    that is rolled back if it raises.

    `needs` names the permission that each method takes. To read takes READ where nothing else is
    said; a method that writes and is not named there is a bug, which no request gets past.
    """

    metadata_class = None
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    opens_scope = True
    """A view that speaks to others over the network says no, and opens scopes around that."""
    needs: Mapping[str, Permission] = {}

    def streamed(self) -> int | None:
        """Of a view that reads its body in pieces, the most bytes it may have."""
        return None

    def wants_key(self, request: Request) -> bool:
        """Whether a request that writes must come with an idempotency key."""
        return False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        caller, name = caller_of(request), str(request.method).lower()
        self._count(caller)
        handler = getattr(self, name, None)
        if handler is not None:
            require(caller, self.needed(name.upper()))
        if handler is not None:
            setattr(self, name, self._guarded(request, caller, handler))

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """What is refused before `initial`: whoever showed nothing, who is told what to show."""
        caller_of(request)
        super().permission_denied(request, message, code)

    def _guarded(self, request: Request, caller: Caller, handler: Handler) -> Handler:
        """The handler in the caller's scope, and once only where an idempotency key is shown."""
        asked = None
        if request.method not in _READING:
            asked = idempotency.asked_by(
                request, caller, required=self.wants_key(request), streamed=self.streamed()
            )
        if self.opens_scope:
            return _within(caller, _recording(self, handler), asked)
        return _outside(caller, handler, asked)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """By now the request's transaction has ended, so noting the key's use delays nobody."""
        response = super().finalize_response(request, response, *args, **kwargs)
        levels = getattr(self, "_levels", None)
        if levels:
            for name, value in limiting.fields(levels).items():
                response[name] = value
            credentials.note_use(caller_of(request).shown)
        return response

    @classmethod
    def needed(cls, method: str) -> Permission:
        """What `method` takes. Raises LookupError where a method that writes is not in `needs`."""
        if method in cls.needs:
            return cls.needs[method]
        if method in _READING:
            return cls.needs.get("GET", Permission.READ)
        raise LookupError(f"{cls.__name__} does not say what {method} needs")

    def _count(self, caller: Caller) -> None:
        try:
            self._levels = limiting.count_request(caller.shown, caller.address)
        except limiting.TooManyRequests as refused:
            self._levels = tuple(refused.levels)
            raise


def require(caller: Caller, *needed: Permission) -> None:
    """Raises PermissionNeeded. What it says depends on the caller alone, and never on what there
    is.
    """
    missing = [one for one in needed if one not in caller.permissions]
    if missing:
        raise PermissionNeeded(*missing)


class TenantList(TenantView, ListModelMixin, GenericAPIView[M]):
    """A page of rows. `question` says which query parameters there are; any other is refused."""

    pagination_class = OldestFirst
    question: type[Question] = Question

    def get(self, request: Request) -> Response:
        return self.list(request)

    def get_queryset(self) -> QuerySet[M]:
        return self.rows(self.question.of(self.request))

    def rows(self, asked: dict[str, Any]) -> QuerySet[M]:
        """What was asked for, in no order: the page brings that."""
        raise NotImplementedError


def _within(caller: Caller, handler: Handler, asked: Asked | None) -> Handler:
    def scoped(*args: Any, **kwargs: Any) -> Response:
        with tenant_scope(caller.tenant_id, crash.API):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [f"{QUESTION_SECONDS}s"]
                )
            if asked is None:
                return handler(*args, **kwargs)
            return idempotency.once(asked, lambda: handler(*args, **kwargs))

    return scoped


def _recording(view: APIView, handler: Handler) -> Handler:
    """A refusal whose trace stays becomes the answer here, before the scope would roll it back."""

    def recording(*args: Any, **kwargs: Any) -> Response:
        try:
            return handler(*args, **kwargs)
        except Recorded as refusal:
            return view.handle_exception(refusal)

    return recording


def _outside(caller: Caller, handler: Handler, asked: Asked | None) -> Handler:
    if asked is None:
        return handler

    def told(*args: Any, **kwargs: Any) -> Response:
        return idempotency.once_outside(caller.tenant_id, asked, lambda: handler(*args, **kwargs))

    return told
