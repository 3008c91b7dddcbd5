"""Takes a file of assets: streamed from the request, which is spooled on disk, into the database a
few parts at a time. Neither step holds the file in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, Any, Final

from django.conf import settings
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from messaging.api.smp.serializers import SmpJobSerializer
from messaging.domain.rules.registrations import is_storable
from messaging.relay.smp import jobs
from messaging.relay.smp.jobs import Wish
from messaging.relay.smp.places import NoPlatform, platform_for
from messaging.relay.wake import wake_registrations
from messaging.smp_models import SmpJob
from tenants.api import idempotency
from tenants.api.authentication import caller_of
from tenants.api.bounded import TooLarge
from tenants.api.door import TenantView
from tenants.api.problems import Conflict
from tenants.models import Environment
from tenants.permissions import Permission
from tenants.scope import in_tenant

_PIECE: Final = 64 * 1024
_CSV: Final = "text/csv"
_JSON: Final = "application/json"


class _Raw(BaseParser):
    """Leaves the body unread."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {"file": stream}


class RawCsv(_Raw):
    media_type = _CSV


class RawJson(_Raw):
    media_type = _JSON


class UnitField(serializers.JSONField):
    """A unit as an object of our fields; within a form, as its JSON."""

    def to_internal_value(self, data: Any) -> Any:
        value = data
        if isinstance(data, str):
            try:
                value = json.loads(data)
            except (ValueError, RecursionError):
                raise ValidationError("The unit is not JSON.") from None
        text = json.dumps(value, ensure_ascii=False)
        if not isinstance(value, dict) or len(text) > 20_000:
            raise ValidationError("A unit is an object, and no endless one.")
        if not is_storable(text):
            raise ValidationError("It holds characters that cannot be stored.")
        return value


@extend_schema_field({"type": "string", "format": "binary"})
class _File(serializers.FileField):
    """Bytes, and no URL."""


class UploadWanted(serializers.Serializer[Any]):
    """What is asked of an upload: parameters of the address, or fields of a form."""

    kind = serializers.ChoiceField(SmpJob.Kind.choices, default=SmpJob.Kind.ASSETS)
    environment = serializers.ChoiceField(
        Environment.choices,
        required=False,
        help_text="May be left out where the tenant has one endpoint of the platform.",
    )
    check_only = serializers.BooleanField(default=False, help_text="Check it and send nothing.")
    send_good = serializers.BooleanField(
        default=False, help_text="Send the right rows where others are wrong."
    )
    file_name = serializers.CharField(max_length=200, default="", allow_blank=True)


class UploadForm(UploadWanted):
    """A form with the file, and for a table of a unit's assets the unit."""

    file = _File(help_text="CSV, or JSON where its name ends in .json.")
    unit = UnitField(required=False, help_text="For kind UNIT with a CSV: the unit, as JSON.")


@extend_schema_view(
    post=extend_schema(
        operation_id="upload_registrations",
        summary="Upload assets, or a unit with its assets",
        description=(
            "CSV with a heading, or JSON: a list of assets or an object of `unit` and `assets`. As "
            "the body itself, or as the `file` of a form. It is taken as it comes, checked row by "
            "row, divided into batches, sent and followed; ask for the job to see how far it is, "
            "and what of the file could not be read."
        ),
        tags=["registrations"],
        parameters=[UploadWanted],
        request={
            _CSV: {"type": "string", "format": "binary"},
            _JSON: {"oneOf": [{"type": "array", "items": {}}, {"type": "object"}]},
            "multipart/form-data": UploadForm,
        },
        responses={
            202: SmpJobSerializer,
        },
    )
)
class UploadView(TenantView):
    """Stores in transactions of its own, so that none is open while a body is read."""

    opens_scope = False
    parser_classes = (RawCsv, RawJson, MultiPartParser)
    needs = {"POST": Permission.OPERATE}

    def streamed(self) -> int:
        return _most_bytes()

    def post(self, request: Request) -> Response:
        caller = caller_of(request)
        _refuse_large(request)
        wish, environment, content = _asked(request, caller.name)
        try:
            platform = in_tenant(caller.tenant_id, lambda: platform_for(environment))
            job = jobs.take(
                caller.tenant_id, platform, wish, _pieces(content), idempotency.running()
            )
        except NoPlatform as error:
            raise ValidationError({"environment": [f"{error}."]}) from None
        except jobs.TooManyJobs:
            text = f"{settings.SMP_OPEN_JOBS} jobs are not finished: wait for one, or cancel it."
            raise Conflict("too-many-jobs", text) from None
        except jobs.TooLarge:
            raise _too_large() from None
        except jobs.Empty:
            raise ValidationError({"file": ["The file is empty."]}) from None
        wake_registrations(caller.tenant_id, job.id)
        return Response(SmpJobSerializer(job).data, status=202)


def _asked(request: Request, by: str) -> tuple[Wish, str | None, IO[bytes]]:
    """Raises ValidationError."""
    data, is_form = request.data, request.content_type.startswith("multipart/")
    if not isinstance(data, Mapping) or "file" not in data:
        raise ValidationError({"file": ["There is no file."]})
    given: dict[str, Any] = dict(request.query_params.items())
    if is_form:
        given |= {name: data[name] for name in data}
    wanted = UploadForm(data=given) if is_form else UploadWanted(data=given)
    if unknown := given.keys() - wanted.fields.keys():
        raise ValidationError({name: ["This is not known."] for name in sorted(unknown)})
    wanted.is_valid(raise_exception=True)
    asked: dict[str, Any] = wanted.validated_data
    name = asked["file_name"] or (str(data["file"].name or "")[:200] if is_form else "")
    wish = Wish(
        kind=asked["kind"],
        format=_format(request, name, is_form=is_form),
        file_name="".join(one for one in name if one.isprintable()),
        check_only=asked["check_only"],
        send_good=asked["send_good"],
        unit=asked.get("unit"),
        by=by,
    )
    return wish, asked.get("environment"), data["file"]


def _format(request: Request, name: str, *, is_form: bool) -> str:
    is_json = request.content_type.split(";")[0].strip().lower() == _JSON
    if is_json or (is_form and name.lower().endswith(".json")):
        return SmpJob.Format.JSON
    return SmpJob.Format.CSV


def _refuse_large(request: Request) -> None:
    """By what the request says of itself; what comes is counted as well."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > _most_bytes():
        raise _too_large()


def _most_bytes() -> int:
    """With what a form puts around the file."""
    return (settings.SMP_UPLOAD_MB + 1) * 2**20


def _too_large() -> TooLarge:
    return TooLarge(f"A file has at most {settings.SMP_UPLOAD_MB} MB.")


def _pieces(content: IO[bytes]) -> Iterator[bytes]:
    try:
        while piece := content.read(_PIECE):
            yield piece
    except OSError:
        raise ParseError("The body broke off.") from None
