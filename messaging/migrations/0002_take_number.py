"""Lets whoever makes a message for a control point number it on its link."""

from __future__ import annotations

from django.db import migrations

# Runs as whoever calls it, so the row policies hold. The link is locked first: what is looked at
# after that has been committed by everyone who numbered, or left waiting, before.
TAKE_NUMBER = """
CREATE FUNCTION messaging_take_number(p_endpoint uuid, p_window integer, p_modulus integer)
RETURNS TABLE (epoch bigint, number integer)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_link messaging_link%ROWTYPE;
    v_sent integer;
BEGIN
    SELECT * INTO v_link FROM messaging_link k
    WHERE k.endpoint_id = p_endpoint AND k.gateway IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT 1 FROM messaging_delivery d
        WHERE d.tenant_id = v_link.tenant_id AND d.endpoint_id = p_endpoint
          AND d.lane = 'link' AND d.state = 'PENDING'
    ) THEN
        RETURN;
    END IF;
    SELECT count(*) INTO v_sent FROM messaging_delivery d
    WHERE d.tenant_id = v_link.tenant_id AND d.endpoint_id = p_endpoint
      AND d.lane = 'link' AND d.state = 'CLAIMED';
    IF v_sent >= p_window THEN
        RETURN;
    END IF;
    UPDATE messaging_link k SET last_given = v_link.last_given % p_modulus + 1
    WHERE k.id = v_link.id;
    RETURN QUERY SELECT v_link.epoch, v_link.last_given % p_modulus + 1;
END $$;
REVOKE ALL ON FUNCTION messaging_take_number(uuid, integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION messaging_take_number(uuid, integer, integer)
    TO hostsvc_app, hostsvc_staff;
"""


class Migration(migrations.Migration):
    dependencies = [("messaging", "0001_initial")]

    operations = [
        migrations.RunSQL(
            TAKE_NUMBER, "DROP FUNCTION messaging_take_number(uuid, integer, integer)"
        )
    ]
