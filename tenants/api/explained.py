"""Every code that a problem answer of the API can carry, and what it means. The page written from
it: `python -m tenants.api.explained > docs/problems.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explained:
    """`text` says why it is told and what to do."""

    code: str
    status: int
    text: str


PROBLEMS: Final[tuple[Explained, ...]] = (
    Explained("bad-request", 400, "The request is no good HTTP, or names a host that is not ours."),
    Explained(
        "invalid",
        400,
        "A parameter or member is bad, unknown or given twice. `errors` names each: `field` and"
        " `text`.",
    ),
    Explained("parse-error", 400, "The body is not what its type says, such as JSON."),
    Explained(
        "idempotency-key-invalid",
        400,
        "`Idempotency-Key` is not one key. Send it once, in double quotes.",
    ),
    Explained(
        "idempotency-key-missing",
        400,
        "This request takes an `Idempotency-Key`. Make up a new one for each message, and send the"
        " same one when you repeat the request.",
    ),
    Explained("not-authenticated", 401, "No API key and no client certificate was shown."),
    Explained(
        "authentication-failed",
        401,
        "What was shown is unknown, expired, revoked, or not for this address.",
    ),
    Explained(
        "permission-needed",
        403,
        "The caller may not do this with its own tenant's rows. `permissions` says what it lacks.",
    ),
    Explained("permission-denied", 403, "The caller may not do this."),
    Explained(
        "suspended",
        403,
        "The tenant is suspended and nothing is taken from it, as a control point is told by R020."
        " Speak to the host's operator.",
    ),
    Explained(
        "not-found",
        404,
        "There is no such address, or no such row of this tenant; another tenant's row is answered"
        " exactly so.",
    ),
    Explained("method-not-allowed", 405, "The address does not have this method."),
    Explained("not-acceptable", 406, "The answer is not to be had in the type that was asked for."),
    Explained(
        "already-answered",
        409,
        "The instruction was answered otherwise, or its time to respond has passed (R008). `detail`"
        " says which.",
    ),
    Explained(
        "delivery-settled",
        409,
        "The delivery has come to its end and can't be stopped any more.",
    ),
    Explained(
        "no-verdict-awaited",
        409,
        "Only a delivery that the system operator has received and said no more of can be settled"
        " by a person.",
    ),
    Explained(
        "delivery-not-dead",
        409,
        "Only a delivery that was refused, expired, stopped, or had nowhere to go can be replayed"
        " or closed.",
    ),
    Explained("delivery-closed", 409, "A person closed the delivery: it can't be replayed."),
    Explained(
        "not-replayable",
        409,
        "The time to respond to the instruction has passed. What would be delivered now is of no"
        " use to anybody; telephone.",
    ),
    Explained(
        "unroutable",
        409,
        "There is still no endpoint that leads to the system operator. Set it up, then replay.",
    ),
    Explained(
        "idempotency-key-in-use",
        409,
        "The first request under this key still runs. Ask again after `Retry-After`.",
    ),
    Explained("email-taken", 409, "A member has this e-mail address already."),
    Explained("last-owner", 409, "A tenant always has an owner: this one is the last."),
    Explained("not-rotatable", 409, "The key is revoked, expired or rotated: mint a new one."),
    Explained("wrong-state", 409, "The certificate is in a state in which this can't be done."),
    Explained(
        "too-many-webhooks", 409, "There are as many webhooks as there can be: remove one first."
    ),
    Explained("webhook-disabled", 409, "The webhook is disabled. Enable it first."),
    Explained(
        "no-mail-server",
        409,
        "The host's operator has named no mail server, so there can be no addresses.",
    ),
    Explained("in-use", 409, "Something was carried by the endpoint: hold it instead."),
    Explained(
        "not-asked-in-vain",
        409,
        "The operator of this connection is not asked in vain what was missed (`unasked_since`).",
    ),
    Explained("not-held", 409, "The hold was released before: nothing is held by it."),
    Explained(
        "the-hosts",
        409,
        "The host's operator posted this notice for everybody, and alone can change it. Post one of"
        " your own beside it.",
    ),
    Explained("over", 409, "The outage that the notice tells of is over, or was cancelled."),
    Explained("job-finished", 409, "The job of registrations is finished, or was cancelled."),
    Explained(
        "batch-known",
        409,
        "It is known what became of the batch: only one that had no answer is for a person to"
        " decide.",
    ),
    Explained(
        "transaction-taken", 409, "That transaction of the platform's belongs to another batch."
    ),
    Explained(
        "too-many-jobs",
        409,
        "Too many jobs of registrations are not finished. Wait for one, or cancel it.",
    ),
    Explained("not-registered", 409, "The asset or unit is not registered any more."),
    Explained(
        "no-file-server",
        409,
        "Trading points log in at EDT endpoints in server mode only; this one is none.",
    ),
    Explained(
        "no-file-client",
        409,
        "The host logs in nowhere for this endpoint: its `mode` is not `client`.",
    ),
    Explained("too-large", 413, "The body is too large; `detail` tells the limit."),
    Explained("unsupported-media-type", 415, "The address does not take a body of this type."),
    Explained(
        "message-refused",
        422,
        "What is submitted breaks rules, and nothing of it is relayed. Each of `errors` is one"
        " finding, by the `rule` and `code` of docs/rules.md, in the words that a NACK or a reply"
        " file would have.",
    ),
    Explained(
        "idempotency-key-reused",
        422,
        "Another request was made under this key in the last 24 hours: another address, another"
        " type or another body.",
    ),
    Explained("throttled", 429, "Too often just now. Ask again after `Retry-After`."),
    Explained(
        "too-many-requests",
        429,
        "A quota is spent (`RateLimit` says which), too many event streams are open, or too many"
        " credentials that are not in force were shown. Ask again after `Retry-After`.",
    ),
    Explained(
        "backlog-full",
        429,
        "Too many of the tenant's messages wait to be delivered, and nothing was taken. What waits"
        " is safe; send this again after `Retry-After`. Answers to instructions are taken all the"
        " same.",
    ),
    Explained("internal", 500, "A fault of the host's. Its operator sees it."),
    Explained("busy", 503, "Other keys are being opened. Ask again after `Retry-After`."),
    Explained(
        "took-too-long", 503, "The question was too dear. Ask for less: a shorter time, fewer rows."
    ),
    Explained(
        "overloaded",
        503,
        "So much waits in the whole host that nothing was taken. Send it again after"
        " `Retry-After`.",
    ),
    Explained("unavailable", 503, "The database is away. Ask again after `Retry-After`."),
)

_HEAD: Final = """\
# The API's problems

Written from the table in `tenants/api/explained.py` by `python -m tenants.api.explained`; do not
edit.

Whatever the API refuses is answered by `application/problem+json` (RFC 9457): `status`, `title`,
`code`, often `detail`, and `errors` where there is more than one thing to say. `code` is stable;
texts are for people and may change.

## Idempotency keys

A request that writes may carry `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header); to
submit messages takes one. Make up a new key for each thing you want done, and repeat the request
under the same key until it is answered: it is done once, and every repeat within 24 hours gets the
first answer again, marked `Idempotent-Replayed: true`. Keys are each member's own (or each API
key's, where it acts for no member; one that it was rotated to is another caller).

What was done and the memory of it are committed together; of what takes longer, as an upload does,
a repeat finds what was made, also where the process that made it died: its key is free within two
seconds, and until then `idempotency-key-in-use`. An answer that says why nothing was
done, other than `message-refused`, is not remembered: its key may come again with a better request.
Answers are kept sealed by the tenant's vault key, since some show a secret that is shown only once:
a repeat with the same credentials shows it again, for 24 hours.

## Codes

| code | status | meaning |
|---|---|---|
"""


def page() -> str:
    return _HEAD + "".join(f"{row}\n" for row in _rows())


def _rows() -> Iterator[str]:
    for one in PROBLEMS:
        yield f"| `{one.code}` | {one.status} | {one.text} |"


if __name__ == "__main__":
    print(page(), end="")
