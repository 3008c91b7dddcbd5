#!/usr/bin/env python
"""Django's command line."""

from __future__ import annotations

import os
import sys

# The role a command works under when the environment does not say: migrations own the tables, the
# vendor's commands are the staff's.
_OWNER = {"migrate", "makemigrations", "sqlmigrate", "showmigrations"}
_STAFF = {
    "point_endpoint",
    "enrol_demonstration",
    "verify_audit",
    "rotate_master_key",
    "enrol_tenant",
    "introduce_tenant",
    "createsuperuser",
    "run_demo",
    "replay_market_day",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hostsvc.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    role = "owner" if command in _OWNER else "staff" if command in _STAFF else "app"
    os.environ.setdefault("HOSTSVC_DATABASE_ROLE", role)

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        import hostsvc.settings  # noqa: F401  (Django would hide what is wrong with it)
    except ImproperlyConfigured as error:
        from hostsvc.logs import cannot_start

        cannot_start(error)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
