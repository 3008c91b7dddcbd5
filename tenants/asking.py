"""A page of the vendor's admin that asks for something before it does or shows something: the form,
and what comes of it. Nothing of it is kept by browsers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.cache import patch_cache_control
from django.utils.safestring import SafeString
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from tenants.audit.viewing import LONGEST_REASON, SHORTEST_REASON

Pairs = Iterable[tuple[str, object]]

SAY_IT = "Say the reason, beside the action."

_TEMPLATE = "admin/tenants/asked.html"


class ReasonForm(forms.Form):
    reason = forms.CharField(
        min_length=SHORTEST_REASON,
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextInputWidget,
        help_text="It is written into the tenant's audit log, with your name, before anything is "
        "shown.",
    )


class DeedForm(ReasonForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "It stands in the tenant's audit log, with your name."


class BesideActionForm(ActionForm):  # type: ignore[misc]
    """The reason that is typed beside an action of a list."""

    reason = forms.CharField(
        required=False,
        max_length=LONGEST_REASON,
        label="Reason",
        widget=UnfoldAdminTextInputWidget,
    )


def reason_beside(request: HttpRequest) -> str:
    """As typed beside the action; empty where none was."""
    return str(request.POST.get("reason", "")).strip()[:LONGEST_REASON]


class OwnerForm(forms.Form):
    name = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(label="E-mail", widget=UnfoldAdminEmailInputWidget)


def page(
    request: HttpRequest,
    title: str,
    back: str,
    *,
    facts: Pairs = (),
    form: forms.Form | None = None,
    verb: str = "",
    shown: Pairs = (),
    sections: Iterable[tuple[str, SafeString]] = (),
) -> TemplateResponse:
    """`shown` is text; `sections` are made already, as HTML."""
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": title,
        "facts": list(facts),
        "form": form,
        "verb": verb,
        "shown": list(shown),
        "sections": list(sections),
        "back": back,
    }
    response = TemplateResponse(request, _TEMPLATE, context)
    patch_cache_control(response, no_store=True, private=True)
    return response


def require(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
