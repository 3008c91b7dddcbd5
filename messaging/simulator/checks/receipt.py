"""The form of a receipt or Health answer from the host to what the simulator sent."""

from __future__ import annotations

import re

from messaging.simulator.checks.envelope import check_envelope
from messaging.simulator.checks.fields import Fields
from messaging.simulator.checks.findings import Code, Findings

_POINTER = re.compile(r"(/([^~/]|~[01])*)*")
_CODE = re.compile(r"R\d{3}", re.ASCII)
_STATUS_OF_HTTP = {
    200: ("RECEIVED", "ACCEPTED"),
    404: ("REJECTED",),
    422: ("REJECTED",),
    503: ("REJECTED",),
}


def check_answer(payload: dict[str, object], type_: str, status: int) -> Findings:
    """`type_` is what a 200 carries: `health` or `receipt`; every refusal is a receipt."""
    findings = Findings()
    fields = Fields(payload, (), findings)
    if status == 200 and type_ == "health":
        check_envelope(fields, "health")
        fields.one_of("status", ("OK", "OUTAGE"), what="status")
        return findings
    check_envelope(fields, "receipt")
    fields.one_of("status", _STATUS_OF_HTTP.get(status, ()), what=f"status for HTTP {status}")
    _check_errors(fields, payload.get("errors"))
    return findings


def _check_errors(fields: Fields, errors: object) -> None:
    if errors == []:
        return
    for error in fields.objects("errors"):
        path, code = error.text("path"), error.text("code")
        error.text("text")
        if path is not None and not _POINTER.fullmatch(path):
            error.note("path", Code.MALFORMED, "not a JSON Pointer")
        if code is not None and not _CODE.fullmatch(code):
            error.note("code", Code.MALFORMED, "not Rnnn")
