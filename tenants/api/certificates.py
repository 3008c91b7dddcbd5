"""The tenant's certificates: where each stands, and the ways in which keys come, take over and end.
No answer holds a private key, and none is read for one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from cryptography import x509
from django.db.models import Q, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.api.authentication import caller_of
from tenants.api.bounded import SmallJSONParser
from tenants.api.described import described
from tenants.api.door import TenantList, TenantView
from tenants.api.fields import HexField
from tenants.api.problems import Conflict
from tenants.api.questions import Question
from tenants.api.wanted import Wanted
from tenants.clock import now
from tenants.keys import checks, desk, expiry, opening, requests, uploads
from tenants.keys.faults import Unfit
from tenants.keys.life import VERIFYING, CertificatePurpose, CertificateState, MoveRefused
from tenants.keys.requests import KeyKind
from tenants.models import Certificate, CertificateNotice, Environment
from tenants.permissions import Permission

_TAG = "certificates"
_REASON_LIMIT = 500
_PEM_LIMIT = uploads.LARGEST_BYTES


class Busy(APIException):
    """503: keys of others are being opened."""

    status_code = 503
    default_code = "busy"
    default_detail = "Other keys are being opened. Try again in a moment."
    wait = 2


class NoticeSerializer(serializers.ModelSerializer[CertificateNotice]):
    class Meta:
        model = CertificateNotice
        fields = ("days", "at")
        read_only_fields = fields


class CertificateSerializer(serializers.ModelSerializer[Certificate]):
    """`request` is the signing request of a key that was made here; `pem` is the certificate and
    its chain, empty until there is one.
    """

    endpoint_id = serializers.UUIDField(
        allow_null=True,
        read_only=True,
        help_text="Whose machine shows it; null for the host's own.",
    )
    fingerprint = HexField(read_only=True, allow_null=True, help_text="SHA-256 of the leaf's DER.")
    subject = serializers.SerializerMethodField()
    issuer = serializers.SerializerMethodField()
    key_held = serializers.BooleanField(
        read_only=True, help_text="Whether the host has its private key, which is never shown."
    )
    days_left = serializers.SerializerMethodField(help_text="Whole days; null once it has ended.")
    warning = serializers.SerializerMethodField(
        help_text="The last threshold crossed, in days before the end: 60, 30, 14, 7, 3, 1, 0."
    )
    notices = NoticeSerializer(many=True, read_only=True)

    class Meta:
        model = Certificate
        fields = (
            *("id", "environment", "purpose", "state", "endpoint_id", "fingerprint", "subject"),
            *("issuer", "not_before", "not_after", "days_left", "warning", "notices", "key_held"),
            *("created_at", "switch_at", "ended_at", "reason", "request", "pem"),
        )
        read_only_fields = fields

    def get_subject(self, row: Certificate) -> str:
        return _name_in(row, "subject")

    def get_issuer(self, row: Certificate) -> str:
        return _name_in(row, "issuer")

    def get_days_left(self, row: Certificate) -> int | None:
        return expiry.days_left(row.not_after, now()) if _lasts(row) and row.not_after else None

    @extend_schema_field(serializers.ChoiceField(choices=list(expiry.THRESHOLDS), allow_null=True))
    def get_warning(self, row: Certificate) -> int | None:
        return expiry.warning_of(row.not_after, now()) if _lasts(row) and row.not_after else None


class CertificateQuestion(Question):
    purpose = serializers.ChoiceField(choices=CertificatePurpose.choices, required=False)
    state = serializers.ChoiceField(choices=CertificateState.choices, required=False)
    environment = serializers.ChoiceField(choices=Environment.choices, required=False)
    endpoint_id = serializers.UUIDField(required=False)
    expires_within_days = serializers.IntegerField(
        required=False, min_value=0, max_value=3660, help_text="Only those that are in force."
    )


class NameField(serializers.CharField):
    """Of a subject: its length is counted in bytes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=requests.NAME_LIMIT, **options)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if requests.fitting(text) != text:
            raise serializers.ValidationError(f"At most {requests.NAME_LIMIT} bytes in UTF-8.")
        return text


class RequestSerializer(Wanted):
    purpose = serializers.ChoiceField(choices=["SO_CLIENT", "SIGNING"])
    environment = serializers.ChoiceField(choices=Environment.choices)
    key = serializers.ChoiceField(
        choices=[kind.value for kind in KeyKind], default=KeyKind.EC_P256.value
    )
    common_name = NameField(
        required=False,
        help_text="Whom it is to name; if not given, your participant id and your name.",
    )
    organization = NameField(required=False)
    country = serializers.RegexField("^[A-Z]{2}$", required=False, help_text="ISO 3166-1.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "common_name" not in attrs and {"organization", "country"} & attrs.keys():
            raise serializers.ValidationError({"common_name": ["It is needed beside the others."]})
        return attrs


class SwitchingSerializer(Wanted):
    switch_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default_timezone=UTC,
        help_text="When it takes over, within seconds; a time that is past means now. If not given"
        " it waits, verifying, unless there is none in use.",
    )


class AnswerSerializer(SwitchingSerializer):
    certificate = serializers.CharField(
        max_length=_PEM_LIMIT, trim_whitespace=False, help_text="PEM: the leaf and its chain."
    )


class UploadSerializer(SwitchingSerializer):
    purpose = serializers.ChoiceField(choices=CertificatePurpose.choices)
    environment = serializers.ChoiceField(
        choices=Environment.choices, required=False, help_text="For SO_CLIENT and SIGNING."
    )
    endpoint_id = serializers.UUIDField(
        required=False, help_text="For CONTROL_POINT and SERVER: whose machine shows it."
    )
    certificate = serializers.CharField(
        max_length=_PEM_LIMIT,
        required=False,
        trim_whitespace=False,
        help_text="PEM: the leaf and its chain, in any order.",
    )
    private_key = serializers.CharField(
        max_length=_PEM_LIMIT,
        required=False,
        trim_whitespace=False,
        write_only=True,
        help_text="PEM. Not for the machines of your own, whose keys stay where they are.",
    )
    pkcs12 = serializers.CharField(
        max_length=_PEM_LIMIT * 4 // 3 + 4,
        required=False,
        write_only=True,
        help_text="Base64 of a PKCS#12 file, instead of certificate and private_key.",
    )
    passphrase = serializers.CharField(
        max_length=1024,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        write_only=True,
    )
    proof = serializers.CharField(
        max_length=8192,
        required=False,
        help_text="For CONTROL_POINT: base64 of a signature by the certificate's key over a text"
        " that the refusal without it names.",
    )

    def validate_pkcs12(self, value: str) -> bytes:
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is not base64.") from None


class SwitchOverSerializer(Wanted):
    at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        default_timezone=UTC,
        help_text="When it takes over, within seconds; if not given, or past, now.",
    )


class RevocationSerializer(Wanted):
    reason = serializers.CharField(max_length=_REASON_LIMIT)


@described("list_certificates", "Certificates", _TAG, parameters=[CertificateQuestion])
class CertificateList(TenantList[Certificate]):
    """Those that ended are in it too."""

    serializer_class = CertificateSerializer
    question = CertificateQuestion

    def rows(self, asked: dict[str, Any]) -> QuerySet[Certificate]:
        days = asked.pop("expires_within_days", None)
        rows = _shown().filter(**asked)
        if days is None:
            return rows
        states = [state.value for state in VERIFYING]
        return rows.filter(state__in=states, not_after__lte=now() + timedelta(days=days))


@described("get_certificate", "One certificate", _TAG, responses=CertificateSerializer)
class CertificateDetail(TenantView):
    def get(self, request: Request, certificate_id: UUID) -> Response:
        return _answer(certificate_id)


@described(
    "request_certificate",
    "Make a key, and a request for its certificate",
    _TAG,
    method="post",
    request=RequestSerializer,
    responses={201: CertificateSerializer},
)
class CertificateRequests(TenantView):
    needs = {"POST": Permission.KEYS}
    parser_classes = [SmallJSONParser]

    def post(self, request: Request) -> Response:
        """The key is made in the service and never leaves it. `request` in the answer is what to
        hand to the authority; upload what it answers.
        """
        wanted = RequestSerializer.of(request)
        subject = None
        if "common_name" in wanted:
            parts = (wanted.get(name, "") for name in ("common_name", "organization", "country"))
            subject = requests.Subject(*parts)
        purpose = CertificatePurpose(wanted["purpose"])
        with _refusals():
            row = desk.request(
                purpose, wanted["environment"], KeyKind(wanted["key"]), subject, _by(request)
            )
        return _answer(row.id, status=201)


@described(
    "upload_certificate",
    "Upload a certificate, with its key where the host uses it",
    _TAG,
    method="post",
    request=UploadSerializer,
    responses={201: CertificateSerializer},
)
class CertificateUploads(TenantView):
    """What is handed in is read before the tenant's scope opens: opening a key takes its time."""

    needs = {"POST": Permission.KEYS}
    parser_classes = [SmallJSONParser]
    _wanted: dict[str, Any]
    _material: uploads.Material

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method == "POST":
            self._wanted = UploadSerializer.of(request)
            purpose = CertificatePurpose(self._wanted["purpose"])
            with _refusals():
                self._material = uploads.read(_offer(self._wanted), purpose, now())

    def post(self, request: Request) -> Response:
        """PEM, or PKCS#12 with its passphrase. It is checked whole, and stored whole or not at all;
        what is wrong is said field by field.
        """
        wanted = self._wanted
        purpose = CertificatePurpose(wanted["purpose"])
        place = desk.Place(purpose, wanted.get("environment"), wanted.get("endpoint_id"))
        with _refusals():
            row = desk.upload(
                self._material,
                place,
                wanted.get("proof", ""),
                wanted.get("switch_at"),
                _by(request),
            )
        return _answer(row.id, status=201)


@described(
    "answer_certificate_request",
    "Upload the authority's answer to a request",
    _TAG,
    method="post",
    request=AnswerSerializer,
    responses={200: CertificateSerializer},
)
class CertificateAnswer(TenantView):
    needs = {"POST": Permission.KEYS}
    parser_classes = [SmallJSONParser]

    def post(self, request: Request, certificate_id: UUID) -> Response:
        """It must be for the key that was made with the request."""
        wanted = AnswerSerializer.of(request)
        with _refusals():
            desk.answer(
                certificate_id, wanted["certificate"], wanted.get("switch_at"), _by(request)
            )
        return _answer(certificate_id)


@described(
    "switch_certificate",
    "Let a certificate take over, now or at a set time",
    _TAG,
    method="post",
    request=SwitchOverSerializer,
    responses={200: CertificateSerializer},
)
@described(
    "call_off_switch",
    "Call a switch-over off",
    _TAG,
    method="delete",
    request=None,
    responses={200: CertificateSerializer},
)
class CertificateSwitchOver(TenantView):
    needs = {"POST": Permission.KEYS, "DELETE": Permission.KEYS}
    parser_classes = [SmallJSONParser]

    def post(self, request: Request, certificate_id: UUID) -> Response:
        """The one in use retires: it goes on verifying, and can take over again."""
        wanted = SwitchOverSerializer.of(request)
        with _refusals():
            desk.switch_over(certificate_id, wanted.get("at"), _by(request))
        return _answer(certificate_id)

    def delete(self, request: Request, certificate_id: UUID) -> Response:
        """It waits, verifying, until somebody says when."""
        with _refusals():
            desk.call_off(certificate_id, _by(request))
        return _answer(certificate_id)


@described(
    "revoke_certificate",
    "Revoke a certificate",
    _TAG,
    method="post",
    request=RevocationSerializer,
    responses={200: CertificateSerializer},
)
class CertificateRevocation(TenantView):
    needs = {"POST": Permission.KEYS}
    parser_classes = [SmallJSONParser]

    def post(self, request: Request, certificate_id: UUID) -> Response:
        """For good. Its links and connections are closed within a second, its private key is
        destroyed, and where it was in use the next one takes over.
        """
        wanted = RevocationSerializer.of(request)
        with _refusals():
            desk.revoke(certificate_id, wanted["reason"], _by(request))
        return _answer(certificate_id)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Unfit as error:
        told: dict[str, list[str]] = {}
        for fault in error.faults:
            told.setdefault(fault.field, []).append(fault.text)
        raise serializers.ValidationError(told) from None
    except MoveRefused as error:
        raise Conflict("wrong-state", str(error)) from None
    except desk.NotThere:
        raise Http404 from None
    except opening.Busy:
        raise Busy from None


def _by(request: Request) -> str:
    """Who it is, as audit entries name them."""
    return str(getattr(caller_of(request), "name", "an API key"))


def _offer(wanted: dict[str, Any]) -> uploads.Offer:
    names = ("certificate", "private_key", "pkcs12", "passphrase")
    return uploads.Offer(**{name: wanted[name] for name in names if name in wanted})


def _shown() -> QuerySet[Certificate]:
    rows = Certificate.objects.defer("private_key").prefetch_related("notices")
    return rows.annotate(key_held=Q(private_key__isnull=False))


def _answer(certificate_id: UUID, status: int = 200) -> Response:
    row = _shown().filter(id=certificate_id).first()
    if row is None:
        raise Http404
    return Response(CertificateSerializer(row).data, status=status)


def _lasts(row: Certificate) -> bool:
    return CertificateState(row.state) in VERIFYING


def _name_in(row: Certificate, part: str) -> str:
    """Empty where there is no certificate yet."""
    if not row.pem:
        return ""
    try:
        leaf = x509.load_pem_x509_certificates(row.pem.encode())[0]
        return str(getattr(leaf, part).rfc4514_string())
    except checks.UNREADABLE:
        return ""
