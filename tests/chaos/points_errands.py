"""The traffic that leads to the crash points: each errand is a little of it, with ids and values of
its own, and is over when all of it has gone all the way. It bears the death of any process on its
way: what was not answered is asked again, as a peer would.
"""

from __future__ import annotations

from collections.abc import Mapping

from messaging.relay.crash_points import Kind, Step
from tests.chaos.points_cast import Errand
from tests.chaos.points_elsewhere import (
    abandon,
    answer_by_api,
    by_api,
    escalated,
    file,
    file_tried_again,
    gates,
    ill_named,
    notice,
    telephone,
    upload,
    upload_asked,
    webhook,
)
from tests.chaos.points_on_links import (
    broken_way,
    gap,
    go_back,
    idle,
    lose,
    outage,
    reconnect,
    refuse,
    repeat,
    talk,
)

LEADS: Mapping[Step, Errand] = {
    **dict.fromkeys(Step, talk),
    **dict.fromkeys((Step.LINK_OPEN, Step.LINK_READY, Step.LINK_CLOSE), reconnect),
    Step.LINK_NUMBER: reconnect,
    Step.LINK_TAKE_AGAIN: repeat,
    Step.LINK_REFUSE: gap,
    Step.LINK_REFUSED: refuse,
    Step.LINK_GO_BACK: go_back,
    Step.LINK_BEAT: idle,
    Step.LINK_WATCH: lose,
    **{step: file for step in Step if step.value.startswith("file-")},
    Step.FILE_SET_ASIDE: ill_named,
    **{step: outage for step in Step if step.value.startswith(("health-", "missed-"))},
    Step.CONNECTIONS_PICK: outage,
    **{step: broken_way for step in Step if step.value.startswith("breaker-")},
    **{step: notice for step in Step if step.value.startswith("notice-")},
    **{step: gates for step in Step if step.value.startswith("gate-")},
    Step.LADDER_CLIMB: escalated,
    Step.API: answer_by_api,
    **dict.fromkeys((Step.API_KEY_TAKEN, Step.API_ANSWER_KEPT), upload),
    **{step: upload for step in Step if step.value.startswith("smp-")},
    **dict.fromkeys((Step.SMP_ASK_CLAIM, Step.SMP_ASK, Step.SMP_ASKED), upload_asked),
    **{step: webhook for step in Step if step.value.startswith("webhook-")},
}

BY_KIND: Mapping[tuple[Step, Kind], Errand] = {
    **{(step, Kind.FILES): file for step in (Step.CLAIM, Step.POST, Step.SETTLE, Step.WAKE_WORKER)},
    (Step.BREAKER_NOTE, Kind.FILES): file_tried_again,
    (Step.WAKE_WORKER, Kind.WEB): by_api,
    (Step.WAKE_WORKER, Kind.SMP): upload,
    (Step.WAKE_WORKER, Kind.HOUSEKEEPING): outage,
    (Step.WAKE_GATEWAY, Kind.GATEWAY): reconnect,
    (Step.WAKE_GATEWAY, Kind.HOUSEKEEPING): telephone,
    (Step.WAKE_GATEWAY, Kind.WEB): abandon,
}


def errand_to(step: Step, kind: Kind) -> Errand:
    return BY_KIND.get((step, kind), LEADS[step])
