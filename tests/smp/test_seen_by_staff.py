"""What was sent of a batch, as the vendor's staff see it: JSON, and the signed form with its
signer.
"""

from __future__ import annotations

from messaging.overview import bodies
from messaging.smp_models import SmpBatch
from tenants.audit import bodies as stored
from tenants.scope import tenant_scope
from tests.roles import as_role
from tests.servers import TestServers
from tests.smp.assets import asset, table
from tests.smp.rig import Rig


def test_a_batch_is_read_and_its_signature_holds(
    rig: Rig, servers: TestServers, database: str
) -> None:
    job = rig.run(rig.upload(table([asset(1)])))
    (batch,) = rig.batches(job.id)
    pages = {}
    with as_role("staff", servers, database):
        for kept in bodies.of_batch(SmpBatch.objects.get(id=batch.id)):
            with tenant_scope(rig.person.tenant_id):
                content = stored.read(kept.where.digest, kept.where.at)
                pages[kept.name] = "".join(str(shown) for _, shown in kept.read(content))
    assert "&quot;assetName&quot;: &quot;Battery 1&quot;" in pages["What is sent"]
    signed = pages["Signed form last sent"]
    assert '<b class="good">holds</b>' in signed
    assert f"tenant {rig.person.name}" in signed
    assert "Asset/Create" in signed


def test_of_a_batch_that_was_not_sent_there_is_nothing(rig: Rig) -> None:
    assert bodies.of_batch(SmpBatch(tenant_id=rig.person.tenant_id)) == []
