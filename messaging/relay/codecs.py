"""Codecs by protocol and profile, built once a process, and the typed messages of stored rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from django.conf import settings as configured

from messaging.domain.messages import BmMessage
from messaging.domain.submissions import Submission
from messaging.models import DEFAULT_PROFILE, Message
from messaging.protocols.base import Codec, Envelope, Parcel, UnknownProfile
from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.profile import Role
from messaging.protocols.edt.codec import EdtCodec
from messaging.protocols.edt.names import parse_name
from messaging.protocols.edt.profile import EdtProfile
from messaging.protocols.edt.reading import beginning
from messaging.protocols.neso.wa.codec import WaCodec
from messaging.protocols.registry import get_protocol
from messaging.protocols.rest import codec as rest
from messaging.relay.load import LoadedMessage
from messaging.relay.register import FILE_PROTOCOL, LEGACY_PROTOCOL, OPERATOR_PROTOCOL
from tenants.audit import bodies


@lru_cache(maxsize=256)
def get_codec(protocol: str, profile: str) -> Codec:
    """With a profile of ours or of the vendor's folder, found once: a new one takes a restart.
    Raises UnknownProfile or UnknownProtocol.
    """
    return get_protocol(protocol, configured.PROFILE_DIR).codec(profile)


def operator_codec(settings: dict[str, Any]) -> WaCodec:
    """The codec of an endpoint that leads to the system operator, with the profile it holds."""
    return wider_access_codec(profile_of(settings))


def wider_access_codec(profile: str) -> WaCodec:
    """Raises UnknownProfile."""
    return cast(WaCodec, get_codec(OPERATOR_PROTOCOL, profile))


def wider_access_codecs() -> tuple[WaCodec, ...]:
    """Of every profile that is installed and has no faults, by name."""
    names = get_protocol(OPERATOR_PROTOCOL, configured.PROFILE_DIR).profiles()
    return tuple(codec for name in names if (codec := _if_usable(name)) is not None)


def _if_usable(profile: str) -> WaCodec | None:
    """A profile with faults serves nobody, and is warned of when a process starts."""
    try:
        return wider_access_codec(profile)
    except UnknownProfile:
        return None


def legacy_codec(settings: dict[str, Any]) -> EdlCodec:
    """The codec of a control point, with the profile it holds."""
    return cast(EdlCodec, get_codec(LEGACY_PROTOCOL, profile_of(settings)))


def file_codec(settings: dict[str, Any]) -> EdtCodec:
    """The codec of a trading point, with the profile it holds."""
    return cast(EdtCodec, get_codec(FILE_PROTOCOL, profile_of(settings)))


def file_profile(settings: dict[str, Any]) -> EdtProfile:
    """How a trading point's files are written."""
    return file_codec(settings).profile


def control_point_reader(settings: dict[str, Any]) -> EdlCodec:
    """The codec of what a control point sends: types that only the host sends are unknown to it,
    whatever their data.
    """
    return EdlCodec(legacy_codec(settings).profile, sender=Role.CONTROL_POINT)


def profile_of(settings: dict[str, Any]) -> str:
    return str(settings.get("profile", DEFAULT_PROFILE))


def read_message(row: Message) -> BmMessage:
    """The typed message, or the first of several."""
    return read_messages(row)[0]


def read_messages(row: Message) -> tuple[BmMessage, ...]:
    """The typed messages, decoded again from the bytes they came as: those are the truth."""
    content = bodies.read(bytes(row.body_digest), row.received_at)
    protocol = row.endpoint.protocol
    if _is_json(row.origin, protocol):
        return (rest.decode(content),)
    return read_content(protocol, row.profile, content, row.reference).messages


def read_loaded(message: LoadedMessage) -> tuple[BmMessage, ...]:
    """The same of a message that was loaded with its bytes. Raises BodyGone."""
    source = message.endpoint
    if _is_json(message.origin, source.protocol):
        return (rest.decode(message.content),)
    content, reference = message.content, message.reference
    return read_content(source.protocol, message.profile, content, reference).messages


def _is_json(origin: str, protocol: str) -> bool:
    """What the API says for a control point is kept in the API's JSON; a submission, as the file
    that says it.
    """
    return origin == Message.Origin.API and protocol == LEGACY_PROTOCOL


def read_beginning(row: Message, most: int) -> tuple[Submission, int]:
    """So many records of a stored submission, and how many it has in all. Raises
    RemoteProtocolError where its name is none.
    """
    profile = cast(EdtCodec, get_codec(FILE_PROTOCOL, row.profile)).profile
    name = parse_name(profile, f"{row.reference}{profile.names.submission}")
    content = bodies.read(bytes(row.body_digest), row.received_at)
    return beginning(profile, name, content, most)


def read_content(protocol: str, profile: str, content: bytes, reference: str = "") -> Envelope:
    """What stored bytes say, in the profile that they came under. Those of a file say what they
    mean only together with its name, which is the sender's `reference`.
    """
    codec = get_codec(protocol, profile)
    name = f"{reference}{codec.profile.names.submission}" if isinstance(codec, EdtCodec) else ""
    return codec.decode(Parcel(content, name))
