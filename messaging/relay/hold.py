"""What a gateway has in hand while it holds a control point's link."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from messaging.protocols.edl.codec import EdlCodec
from messaging.protocols.edl.profile import EdlProfile
from messaging.relay.codecs import legacy_codec
from messaging.relay.register import ControlPoint
from messaging.relay.settings import control_point_settings


class LinkReplaced(Exception):
    """Another link of the same control point got ready since: this one may neither take nor give a
    number.
    """


@dataclass(frozen=True, slots=True)
class Hold:
    """One link in one epoch. Everything written for a link names its epoch, which fences off the
    links before it.
    """

    tenant_id: UUID
    control_point: ControlPoint
    epoch: int

    @property
    def endpoint_id(self) -> UUID:
        return self.control_point.endpoint_id

    @property
    def codec(self) -> EdlCodec:
        return legacy_codec(self.control_point.settings)

    @property
    def profile(self) -> EdlProfile:
        return self.codec.profile

    @property
    def warn_only(self) -> tuple[str, ...]:
        """Rules that this endpoint's settings turn into warnings."""
        return control_point_settings(self.control_point.settings).warn_only
