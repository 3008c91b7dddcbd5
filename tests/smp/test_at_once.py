"""The task that does what registrations need, four times at once, by two processes: a batch is
posted once.
"""

from __future__ import annotations

from messaging.smp_models import SmpJob
from tests.models.hands import two_processes
from tests.servers import TestServers
from tests.smp.assets import asset, table
from tests.smp.rig import Rig
from tests.smp.test_trouble import CREATE

REGISTRATIONS = "messaging.tasks.registrations"


def test_a_registration_done_four_times_at_once_is_done_once(
    rig: Rig, servers: TestServers, database: str
) -> None:
    before = len(rig.asked(CREATE))
    job_id = rig.upload(table([asset(number) for number in range(3)]))
    tenant = str(rig.person.tenant_id)
    with two_processes(servers, database, {}) as hands:
        for _ in range(4):
            assert hands.do(REGISTRATIONS, (tenant, str(job_id))) == []
    job = rig.run(job_id)
    assert job.state == SmpJob.State.REGISTERED
    assert len(rig.batches(job_id)) == 1
    assert len(rig.asked(CREATE)) - before == 1
