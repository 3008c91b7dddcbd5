"""The style of fixed positions: prefix, header and data, each ended by the profile's mark, with
fields of a fixed size padded with blanks.
"""

from __future__ import annotations

from typing import Any

from messaging.protocols.base import RemoteProtocolError
from messaging.protocols.edl.profile import EdlProfile
from messaging.protocols.edl.style import is_printable
from messaging.protocols.layouts import Layout, Values, read_layout, write_layout


class FixedStyle:
    """Parts by their marks, fields by their positions."""

    def split(self, profile: EdlProfile, content: bytes) -> tuple[dict[str, Any], str | None]:
        framing = profile.framing
        text = content.decode("latin-1").removesuffix(framing.message_end)
        if framing.tolerated_before_end:
            text = text.removesuffix(framing.tolerated_before_end)
        prefix, _, rest = text.partition(framing.mark)
        header, ended, rest = rest.partition(framing.mark)
        if not ended or not is_printable(prefix + header):
            raise RemoteProtocolError("prefix and header cannot be read")
        data, ended, rest = rest.partition(framing.mark)
        if not ended and not data:
            raise RemoteProtocolError("there is no third part")
        whole = ended and not rest and content.endswith(framing.message_end.encode())
        head = {**read_layout(profile.prefix, prefix), **read_layout(profile.header, header)}
        return head, data if whole and is_printable(data) else None

    def join(self, profile: EdlProfile, head: Values, data: str) -> bytes:
        framing = profile.framing
        parts = (
            write_layout(profile.prefix, head),
            write_layout(profile.header, head),
            framing.clean(data),
        )
        text = "".join(part + framing.mark for part in parts) + framing.message_end
        return text.encode("ascii")

    def read(self, profile: EdlProfile, layout: Layout, data: str) -> dict[str, Any]:
        return read_layout(layout, data)

    def write(self, profile: EdlProfile, layout: Layout, values: Values) -> str:
        return write_layout(layout, values)
