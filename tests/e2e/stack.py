"""`python -m tests.e2e.stack FOLDER`: the whole service in a folder of its own, with no traffic but
the tests'.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hostsvc.stack import parts
from hostsvc.stack.layout import lay_out, write_environment, write_targets
from hostsvc.stack.servers import find_servers
from hostsvc.supervisor import Child, Supervisor


def main(var: Path) -> int:
    def children() -> list[Child]:
        layout = lay_out(var)
        servers = find_servers(var, {})
        environment = layout.environment(servers.urls)
        write_environment(layout, environment)
        write_targets(layout)
        return [
            *servers.children,
            *parts.steps(layout, environment, None),
            *parts.services(layout, environment),
        ]

    ready = var / "ready"
    ready.unlink(missing_ok=True)
    return Supervisor(children, var / "stack.lock", on_ready=ready.touch).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
