"""Each golden reply file: read, and written again byte for byte. What makes the relay write them is
tested with the relay (tests/relay/filing).
"""

from __future__ import annotations

import pytest

from messaging.domain.units import FileCode
from messaging.protocols.base import Parcel
from messaging.protocols.edt.replies import read_reply, write_reply
from tests.protocols.edt.rows import GOLDEN, PROFILE

# Each with its name as the trading point finds it, and the codes that it tells.
REPLIES: dict[str, tuple[str, tuple[FileCode, ...]]] = {
    "a_submission_that_is_received.ack": ("ALITA_000001.ack", ()),
    "a_submission_that_is_accepted.acc": ("ALITA_000001.acc", ()),
    "an_error_of_the_operators_at_its_line.rej": ("ALITA_000001.rej", (FileCode.REFUSED_BY_SO,)),
    "a_submission_that_expired.rej": ("ALITA_000001.rej", (FileCode.EXPIRED,)),
    "another_tenants_unit.rej": ("ALITA_000001.rej", (FileCode.NOT_YOURS,)),
    "a_file_without_records.rej": ("ALITA_000001.rej", (FileCode.SIZE,)),
    "a_file_of_a_gigabyte.rej": ("ALITA_000001.rej", (FileCode.SIZE,)),
    "a_number_out_of_sequence.rej": (
        "ALITA_000003.20261122T090807Z.rej",
        (FileCode.NUMBER_GAP,),
    ),
    "a_number_used_before_with_other_bytes.rej": (
        "ALITA_000001.20261122T090807Z.rej",
        (FileCode.NUMBER_REUSED,),
    ),
    "a_file_of_a_suspended_tenant.rej": ("MALTA_000001.rej", (FileCode.SUSPENDED,)),
    "a_file_of_another_agent.rej": ("BOBTA_000001.rej", (FileCode.NOT_YOURS,)),
}


def test_every_golden_reply_is_tested() -> None:
    assert {path.name for path in (GOLDEN / "replies").iterdir()} == REPLIES.keys()


@pytest.mark.parametrize("what", REPLIES)
def test_it_is_read_and_written_again_byte_for_byte(what: str) -> None:
    name, codes = REPLIES[what]
    parcel = Parcel((GOLDEN / "replies" / what).read_bytes(), name)
    reply = read_reply(PROFILE, parcel)
    assert tuple(fault.code for fault in reply.faults) == codes
    assert write_reply(PROFILE, reply, name) == parcel
