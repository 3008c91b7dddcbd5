"""The tenant's people: who they are, what they may do, and who is asking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from tenants import members
from tenants.api.authentication import caller_of
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.problems import Conflict
from tenants.api.questions import Question
from tenants.api.wanted import Wanted
from tenants.models import ApiKey, Member, Tenant
from tenants.permissions import Permission, Role, as_written

_LONGEST_NAME = 200
_LONGEST_EMAIL = 254
ROLE_CHOICES = [role.value for role in Role]


class MemberSerializer(serializers.ModelSerializer[Member]):
    class Meta:
        model = Member
        fields = (
            *("id", "name", "email", "role", "state", "created_at", "removed_at"),
            "last_seen_at",
        )
        read_only_fields = fields


class NewMemberSerializer(Wanted):
    name = serializers.CharField(max_length=_LONGEST_NAME)
    email = serializers.EmailField(max_length=_LONGEST_EMAIL)
    role = serializers.ChoiceField(choices=ROLE_CHOICES)


class MemberChangeSerializer(Wanted):
    name = serializers.CharField(max_length=_LONGEST_NAME, required=False)
    role = serializers.ChoiceField(choices=ROLE_CHOICES, required=False)


class MemberQuestion(Question):
    state = serializers.ChoiceField(choices=Member.State.choices, required=False)
    role = serializers.ChoiceField(choices=ROLE_CHOICES, required=False)


class WhoAmISerializer(serializers.Serializer[dict[str, object]]):
    tenant_id = serializers.UUIDField()
    tenant = serializers.CharField()
    member = MemberSerializer(allow_null=True, help_text="Null for a key of the tenant's own.")
    name = serializers.CharField(help_text="As audit entries name the caller.")
    credential = serializers.ChoiceField(choices=["API key", "API certificate"])
    credential_id = serializers.UUIDField()
    label = serializers.CharField()  # type: ignore[assignment]
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=[(one.value, one.name) for one in Permission]),
        help_text="What may be done now: the key's scopes within its member's role.",
    )
    expires_at = serializers.DateTimeField(allow_null=True)
    is_rotated = serializers.BooleanField(
        help_text="There is a key in its place already: change to that one."
    )
    address = serializers.IPAddressField(
        allow_null=True, help_text="Where the request came from, as the host sees it."
    )


@described("get_me", "Who is asking, and what they may do", "people", responses=WhoAmISerializer)
class Me(TenantView):
    def get(self, request: Request) -> Response:
        caller = caller_of(request)
        shown = caller.shown
        told = {
            "tenant_id": caller.tenant_id,
            "tenant": Tenant.objects.get(id=caller.tenant_id).name,
            "member": Member.objects.get(id=shown.member_id) if shown.member_id else None,
            "name": caller.name,
            "credential": "API key" if shown.kind is ApiKey else "API certificate",
            "credential_id": shown.id,
            "label": shown.label,
            "permissions": as_written(caller.permissions),
            "expires_at": shown.expires_at,
            "is_rotated": shown.is_rotated,
            "address": str(caller.address) if caller.address else None,
        }
        return Response(WhoAmISerializer(told).data)


@described(
    "add_member",
    "Add a member",
    "people",
    method="post",
    request=NewMemberSerializer,
    responses={201: MemberSerializer},
)
@described("list_members", "Members, those who have left among them", "people")
class MemberList(TenantList[Member]):
    needs = {"POST": Permission.PEOPLE}
    serializer_class = MemberSerializer
    question = MemberQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Member]:
        return Member.objects.filter(**asked)

    def post(self, request: Request) -> Response:
        """A member logs in with API keys or certificates of theirs: mint one next."""
        wanted, by = NewMemberSerializer.of(request), caller_of(request).shown.told
        with _conflicts():
            row = members.add(wanted["name"], wanted["email"], Role(wanted["role"]), by=by)
        return Response(MemberSerializer(row).data, status=201)


@described(
    "remove_member", "Remove a member", "people", method="delete", request=None, responses=None
)
@described(
    "change_member",
    "Change a member's name or role",
    "people",
    method="patch",
    request=MemberChangeSerializer,
    responses=MemberSerializer,
)
@described("get_member", "One member", "people", responses=MemberSerializer)
class MemberDetail(TenantView):
    needs = {"PATCH": Permission.PEOPLE, "DELETE": Permission.PEOPLE}

    def get(self, request: Request, member_id: UUID) -> Response:
        return Response(MemberSerializer(get_object_or_404(Member, id=member_id)).data)

    def patch(self, request: Request, member_id: UUID) -> Response:
        """Their keys follow at once: a key may do what both its scopes and the role allow."""
        wanted, row = MemberChangeSerializer.of(request), _get_locked(member_id)
        name, role = wanted.get("name", row.name), Role(wanted.get("role", row.role))
        with _conflicts():
            members.change(row, name, role, by=caller_of(request).shown.told)
        return Response(MemberSerializer(row).data)

    def delete(self, request: Request, member_id: UUID) -> Response:
        """Their keys and certificates are revoked. They stay in the list as REMOVED."""
        with _conflicts():
            members.remove(_get_locked(member_id), by=caller_of(request).shown.told)
        return Response(status=204)


def _get_locked(member_id: UUID) -> Member:
    row = members.find_locked(member_id)
    if row is None:
        raise Http404
    return row


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except members.EmailTaken:
        raise Conflict("email-taken", "A member has this address already.") from None
    except members.LastOwner:
        text = "There must be an owner: make somebody else one first."
        raise Conflict("last-owner", text) from None
