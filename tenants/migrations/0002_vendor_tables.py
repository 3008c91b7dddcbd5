"""Lets the vendor's admin process keep its own tables: users, sessions, its log. They are no tenant's."""

from __future__ import annotations

from django.db import migrations

from tenants.isolation import READ_WRITE

_ADMIN_TABLES = (
    "auth_user",
    "auth_group",
    "auth_permission",
    "auth_user_groups",
    "auth_group_permissions",
    "auth_user_user_permissions",
    "django_admin_log",
    "django_content_type",
    "django_session",
)


class Migration(migrations.Migration):
    dependencies = [
        ("tenants", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(
            [
                f"GRANT {READ_WRITE} ON {', '.join(_ADMIN_TABLES)} TO hostsvc_staff",
                "GRANT SELECT ON django_migrations TO hostsvc_app, hostsvc_staff",
            ],
            migrations.RunSQL.noop,
        )
    ]
