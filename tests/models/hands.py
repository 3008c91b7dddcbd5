"""Two processes that do one task at once, each on two threads: this one, and a child."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from hostsvc.celery import app
from tests.models.hand import do_at_once
from tests.servers import ROOT, TestServers


@dataclass(frozen=True, slots=True)
class Hands:
    says: IO[str]
    does: IO[str]

    def do(self, task: str, arguments: Sequence[str]) -> list[str]:
        """What went wrong, anywhere."""
        self.does.write(json.dumps([task, arguments]) + "\n")
        self.does.flush()
        faults = do_at_once(task, arguments)
        told: list[str] = _line(self.says)
        return faults + told


def _line(says: IO[str]) -> Any:
    """A child that says nothing is not waited for."""
    ready, _, _ = select.select([says], [], [], 90)
    assert ready, "the other process does not answer"
    return json.loads(says.readline())


@contextmanager
def two_processes(
    servers: TestServers, database: str, environment: Mapping[str, str]
) -> Iterator[Hands]:
    """`environment` is what the child's settings have beside its servers."""
    told = {**os.environ, **servers.environment(database), **environment}
    app.loader.import_default_modules()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.models.hand"],
        cwd=ROOT,
        env=told,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            assert _line(child.stdout) == "ready"
            yield Hands(child.stdout, child.stdin)
        finally:
            child.kill()
