from __future__ import annotations

from django.db import migrations

INDEX = """
CREATE INDEX entry_of_people ON audit_entry (recorded_at) WHERE event NOT IN (
    'received', 'decoded', 'refused', 'suppressed', 'repeated', 'stored', 'signed', 'sending',
    'answered', 'unanswered', 'delivered', 'acknowledged', 'held', 'expired', 'alarmed',
    'auto-accepted', 'left to a person', 'data arrived', 'link up', 'link down',
    'key expires', 'key expired');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [migrations.RunSQL(INDEX, "DROP INDEX entry_of_people")]
