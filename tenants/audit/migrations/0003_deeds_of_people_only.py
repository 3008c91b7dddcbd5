"""The index of what people did leaves out what the host does by itself since: there is an escalation
for every instruction that waits.
"""

from __future__ import annotations

from django.db import migrations

_INDEX = """
DROP INDEX entry_of_people;
CREATE INDEX entry_of_people ON audit_entry (recorded_at) WHERE event NOT IN (
    'received', 'decoded', 'refused', 'suppressed', 'repeated', 'stored', 'signed', 'sending',
    'answered', 'unanswered', 'delivered', 'acknowledged', 'held', 'expired', 'alarmed',
    'auto-accepted', 'left to a person', 'data arrived', 'link up', 'link down',
    'key expires', 'key expired'{});
"""
_MORE = ", 'escalated', 'superseded', 'connection changed', 'normalized', 'capacity eased'"


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_entries_of_people")]

    operations = [migrations.RunSQL(_INDEX.format(_MORE), _INDEX.format(""))]
