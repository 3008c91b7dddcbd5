"""Wraps every tenant's data key by the current master key, while the service runs. Killed at any
point it has lost nothing: each data key says which master key wraps it, so started again it goes on
with what is left.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from tenants import directory, vault
from tenants.aead import VaultError
from tenants.keyproviders import provider
from tenants.models import DataKey
from tenants.scope import in_tenant, tenant_scope


class Command(BaseCommand):
    help = "Wraps every tenant's data key by the current master key; safe to stop and to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        current = provider().current()
        self.stdout.write(f"The current master key is {current}.")
        failed = self._wrap_all()
        left = _left(current)
        if failed or left:
            told = ", ".join(f"{count} by {key}" for key, count in sorted(left.items()))
            raise CommandError(
                f"Not done: data keys are wrapped {told or 'by keys unknown'} still."
                " Keep those master keys, mend what is said above, and run this again."
            )
        self.stdout.write(
            f"Done: every data key is wrapped by {current}. The other master keys may be dropped"
            " once no process runs that was started with one of them as its current key, and no"
            " backup of the time before has to be opened any more."
        )

    def _wrap_all(self) -> bool:
        """Whether any failed. One that does is told of, and keeps none of the others from it."""
        failed, tenants = False, directory.all_tenants()
        for number, tenant_id in enumerate(tenants, 1):
            try:
                done = in_tenant(tenant_id, vault.rewrap)
            except VaultError as error:
                failed = True
                self.stderr.write(f"{number}/{len(tenants)} {tenant_id}: {error}")
                continue
            word = "wrapped anew" if done.count else "nothing to do"
            self.stdout.write(f"{number}/{len(tenants)} {tenant_id}: {word}")
            self.stdout.flush()
        return failed


def _left(current: str) -> dict[str, int]:
    """Data keys by the other master keys that wrap them. Looked for anew: a process that still had
    another key as its current one may have made some meanwhile.
    """
    left: dict[str, int] = {}
    for tenant_id in directory.all_tenants():
        for key in _wrapped_by(tenant_id):
            if key != current:
                left[key] = left.get(key, 0) + 1
    return left


def _wrapped_by(tenant_id: UUID) -> list[str]:
    with tenant_scope(tenant_id):
        return list(DataKey.objects.values_list("master_key_id", flat=True))
