"""The vendor's pages on tenants, their register, and the peers that are trusted. A tenant comes to
be by enrolment, not here.
"""

from __future__ import annotations

import dataclasses
from typing import Any
from uuid import UUID

from cryptography import x509
from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from tenants import (
    admin_files,  # noqa: F401  (registers its page)
    admin_people,  # noqa: F401  (registers its pages)
    asking,
    bm_units,
    directory,
    first_owner,
)
from tenants.audit.events import Event
from tenants.certificates import fingerprint_of
from tenants.directory import Known
from tenants.endpoints import Draft, clash_of, faults_of
from tenants.ids import HOUSE
from tenants.keys import admin as _keys  # noqa: F401  (registers its page)
from tenants.members import EmailTaken
from tenants.models import BmUnit, Endpoint, Peer, PeerCertificate, Tenant
from tenants.staff import TENANT_FILTER, WalledAdmin, once


@admin.register(Tenant)
class TenantAdmin(WalledAdmin):
    """Only its state can be set: the other names of a tenant stand in the directory and in
    signatures.
    """

    list_display = ("name", "participant_id", "trading_agent", "state", "created_at")
    list_filter = ("state",)
    search_fields = ("name", "participant_id", "trading_agent")
    ordering = ("name",)
    fields: tuple[str, ...] = (
        *("id", "name", "participant_id", "trading_agent", "state", "created_at"),
        *("requests_per_minute", "key_requests_per_minute", "gate_alarm_minutes", "owner"),
    )
    readonly_fields: tuple[str, ...] = (
        *("id", "name", "participant_id", "trading_agent", "created_at", "owner"),
    )
    told = ("state", "requests_per_minute", "key_requests_per_minute", "gate_alarm_minutes")

    def tenant_of(self, row: Any) -> UUID:
        tenant_id: UUID = row.id
        return tenant_id

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description="people")
    @once
    def owner(self, row: Tenant) -> str:
        if first_owner.is_looked_after(row.id):
            return "looked after by the tenant itself"
        address = reverse("admin:tenants_tenant_owner", args=(row.id,))
        text = "nobody has a key to look after them with: mint one"
        return format_html('<a class="text-primary-600" href="{}">{}</a>', address, text)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.owner_view)
        own = [path("<uuid:tenant_id>/owner/", view, name="tenants_tenant_owner")]
        return [*own, *super().get_urls()]

    def owner_view(self, request: HttpRequest, tenant_id: UUID) -> HttpResponse:
        """Asks who is to be the owner, and shows their key once."""
        asking.require(request, "tenants.add_apikey")
        row = get_object_or_404(Tenant, id=tenant_id)
        title, back = f"An owner for {row}", reverse("admin:tenants_tenant_change", args=(row.id,))
        form = asking.OwnerForm(request.POST or None)
        if request.method != "POST" or not form.is_valid():
            return asking.page(request, title, back, form=form, verb="Mint the key")
        by = request.user.get_username()
        try:
            key = first_owner.mint_owner_key(row.id, **form.cleaned_data, by=by)
        except first_owner.LookedAfter:
            form.add_error(None, "The tenant has somebody who can do this.")
        except EmailTaken:
            form.add_error("email", "A member who is no owner has this address.")
        else:
            shown = [("The key, which is never shown again", key)]
            return asking.page(request, title, back, shown=shown)
        return asking.page(request, title, back, form=form, verb="Mint the key")


# The forms name no model: the admin does when it makes a page. Named here, they would ask the
# walled managers for rows as soon as this module is read, also by processes that are not the
# staff's.
_EMPTY = Draft("", "", "", "")


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # On the page of somebody who only looks there are no fields.
        for name in self.fields.keys() & {"peer", "settings"}:
            self.fields[name].required = False

    def clean_settings(self) -> dict[str, Any]:
        settings = self.cleaned_data["settings"]
        if not isinstance(settings, dict | None):
            raise forms.ValidationError("Settings are a JSON object.")
        return settings or {}

    def clean(self) -> dict[str, Any]:
        """As the register has it. A fault is told at its field, or above them all where the field
        is not one of this form's.
        """
        found = self.cleaned_data
        is_new = self.instance._state.adding
        before = _EMPTY if is_new else Draft.of(self.instance)
        names = {field.name for field in dataclasses.fields(Draft)}
        draft = dataclasses.replace(before, **{k: v for k, v in found.items() if k in names})
        faults = list(faults_of(draft))
        clash = clash_of(draft, found["tenant"].id) if found.get("tenant") else None
        if clash is not None and is_new:
            faults.append(clash)
        unreadable = set(self.errors)
        for fault in faults:
            shown = fault.field if fault.field in self.fields else None
            if shown not in unreadable:
                text = f"{fault.setting}: {fault.text}" if fault.setting else fault.text
                self.add_error(shown, text)
        return found


@admin.register(Endpoint)
class EndpointAdmin(WalledAdmin):
    form = EndpointForm
    fields = (
        *("tenant", "name", "protocol", "transport", "environment", "address", "peer"),
        *("state", "settings"),
    )
    list_display: tuple[str, ...] = (
        *("name", "tenant", "protocol", "environment", "address"),
        "state",
    )
    list_filter = (TENANT_FILTER, "protocol", "environment", "state")
    list_select_related = ("tenant",)
    search_fields = ("name", "address")
    ordering = ("tenant_id", "protocol", "environment", "name")
    autocomplete_fields = ("tenant", "peer")
    event = Event.ENDPOINT_CHANGED
    told = ("address", "state", "peer")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", "name", "protocol", "transport", "environment")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Settings may hold a secret: they are for those who write them."""
        hidden = () if self.has_change_permission(request, obj) else ("settings",)
        return [name for name in self.fields if name not in hidden]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class BmUnitForm(forms.ModelForm):  # type: ignore[type-arg]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields.keys() & {"generation_capacity_mw"}:
            self.fields[name].required = False

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        return name.strip().upper()

    def clean_expected(self) -> list[str]:
        expected = self.cleaned_data["expected"]
        if not isinstance(expected, list | None):
            raise forms.ValidationError("This is a JSON list of parameters' names.")
        try:
            return bm_units.in_order(expected or [])
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        tenant_id = found["tenant"].id if "tenant" in found else self.instance.tenant_id
        control_point, name = found.get("control_point"), found.get("name")
        if control_point is not None and control_point.tenant_id != tenant_id:
            self.add_error("control_point", "This control point is another tenant's.")
        if name and directory.find_tenant(Known.BM_UNIT, name.encode()) not in (None, tenant_id):
            self.add_error("name", "Another tenant has a BM unit of this name.")
        return found


@admin.register(BmUnit)
class BmUnitAdmin(WalledAdmin):
    """The directory follows: it is how an instruction finds the unit's tenant."""

    form = BmUnitForm
    fields = (
        *("tenant", "name", "control_point", "generation_capacity_mw"),
        *bm_units.SETTINGS,
    )
    list_display = ("name", "tenant", "control_point", "generation_capacity_mw", "auto_accept")
    list_filter = (TENANT_FILTER,)
    list_select_related = ("tenant", "control_point")
    search_fields = ("name",)
    ordering = ("tenant_id", "name")
    autocomplete_fields = ("tenant", "control_point")
    told = ("control_point", "generation_capacity_mw", *bm_units.SETTINGS)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("tenant", "name")

    def write(self, row: BmUnit, form: forms.ModelForm[BmUnit], change: bool) -> None:
        if not change:
            directory.enter(Known.BM_UNIT, row.name.encode(), row.tenant_id)
        row.save()

    def remove(self, row: BmUnit) -> None:
        directory.strike(Known.BM_UNIT, row.name.encode())
        row.delete()


class TrustAdmin(WalledAdmin):
    """What the vendor trusts belongs to no tenant: changes are told in the house's chain."""

    def tenant_of(self, row: Any) -> UUID:
        return HOUSE

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Peer)
class PeerAdmin(TrustAdmin):
    list_display = ("name", "environment", "participant_id", "is_default")
    list_filter = ("environment",)
    search_fields = ("name", "participant_id")
    ordering = ("name",)
    told = ("name", "environment", "participant_id", "is_default")


class PeerCertificateForm(forms.ModelForm):  # type: ignore[type-arg]
    """The fingerprint is taken from the certificate and never typed."""

    def clean_pem(self) -> str:
        pem: str = self.cleaned_data["pem"]
        try:
            leaf = x509.load_pem_x509_certificates(pem.encode())[0]
        except ValueError:
            raise forms.ValidationError("This is not a certificate in PEM.") from None
        self.instance.fingerprint = fingerprint_of(leaf)
        self.instance.not_after = leaf.not_valid_after_utc
        return pem

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        same = {name: found.get(name) for name in ("peer", "purpose")}
        fingerprint = self.instance.fingerprint
        if "pem" in found and PeerCertificate.objects.filter(**same, fingerprint=fingerprint):
            self.add_error("pem", "This certificate is pinned already.")
        return found


@admin.register(PeerCertificate)
class PeerCertificateAdmin(TrustAdmin):
    form = PeerCertificateForm
    list_display = ("thumbprint", "peer", "purpose", "state")
    list_filter = ("purpose", "state")
    list_select_related = ("peer",)
    ordering = ("-id",)
    autocomplete_fields = ("peer",)
    told = ("peer", "purpose", "state")

    @admin.display(description="SHA-256")
    def thumbprint(self, row: PeerCertificate) -> str:
        return bytes(row.fingerprint).hex()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if obj is None else ("peer", "purpose", "thumbprint", "pem")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("peer", "purpose", "state", "pem")
        return shown if obj is None else (*shown, "thumbprint")
