"""What a style is: how a whole message is told apart into its head, its data and their fields, and
put together again. A profile names one; the classes stand beside this.
"""

from __future__ import annotations

from typing import Any
from typing import Protocol as Shape

from messaging.protocols.edl.profile import EdlProfile
from messaging.protocols.layouts import Layout, Values


class Style(Shape):
    """Reading raises RemoteProtocolError and nothing else, whatever the bytes; writing raises
    LocalProtocolError where a field cannot hold its value. Data are text between the two halves of
    either.
    """

    def split(self, profile: EdlProfile, content: bytes) -> tuple[dict[str, Any], str | None]:
        """The values of prefix and header, and the data: None where these are not printable, or not
        ended as they must be. What is wrong within the data does not hide the header.
        """
        ...

    def join(self, profile: EdlProfile, head: Values, data: str) -> bytes:
        """The whole message."""
        ...

    def read(self, profile: EdlProfile, layout: Layout, data: str) -> dict[str, Any]:
        """The values of data, which must hold the layout exactly; a fault names the field."""
        ...

    def write(self, profile: EdlProfile, layout: Layout, values: Values) -> str:
        """Values as data; in texts, what may not be written is replaced."""
        ...


def is_printable(text: str) -> bool:
    return text.isascii() and text.isprintable()
