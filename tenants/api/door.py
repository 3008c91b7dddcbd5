"""The one door of the tenant's API: whatever a view does for a request, it does inside the asking
tenant's scope.

Views come through it by deriving from one of these classes. One that does not would still be
refused: without a scope the models' manager raises, and the database shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants.api.authentication import Caller, caller_of
from tenants.api.pages import OldestFirst
from tenants.api.questions import Question
from tenants.scope import tenant_scope

QUESTION_SECONDS = 10
"""How long any one statement may take: one tenant's dear question must not slow the others'
messages.
"""

M = TypeVar("M", bound=Model)
Handler = Callable[..., Response]


class TenantView(APIView):
    """Authenticates, then runs the handler in a scope that is rolled back if it raises."""

    metadata_class = None
    opens_scope = True
    """A view that speaks to others over the network says no, and opens scopes around that."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        caller, name = caller_of(request), str(request.method).lower()
        handler = getattr(self, name, None)
        if handler is not None and self.opens_scope:
            setattr(self, name, _within(caller, handler))


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


def _within(caller: Caller, handler: Handler) -> Handler:
    def scoped(*args: Any, **kwargs: Any) -> Response:
        with tenant_scope(caller.tenant_id):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true)", [f"{QUESTION_SECONDS}s"]
                )
            return handler(*args, **kwargs)

    return scoped
