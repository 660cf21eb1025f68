"""The five empty logs, the city's options, and what each database role may do.

`cityops_web` and `cityops_system` may read and append events and calendars, never change or delete
them: by GRANT, so it costs nothing (architecture.md §2). Both roles must exist; deploy/up makes them.
"""

from datetime import UTC, datetime

from django.db import migrations

RIGHTS = """
    GRANT USAGE ON SCHEMA public TO cityops_web, cityops_system;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public
      TO cityops_web, cityops_system;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO cityops_web, cityops_system;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public
      GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO cityops_web, cityops_system;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public
      GRANT USAGE, SELECT ON SEQUENCES TO cityops_web, cityops_system;
    REVOKE UPDATE, DELETE, TRUNCATE ON cases_event, cases_workcalendar, cases_workcalendarday
      FROM cityops_web, cityops_system;
"""


def open_logs(apps, schema_editor):
    heads = apps.get_model("cases", "DistrictHead").objects
    for scope in ("city", "hecheng", "hightech", "landport", "zhongfang"):
        heads.create(scope=scope, at=datetime(2020, 1, 1, tzinfo=UTC))
    apps.get_model("cases", "CityOptions").objects.create(pk=1)


class Migration(migrations.Migration):
    dependencies = [("cases", "0001_initial")]

    operations = [
        migrations.RunPython(open_logs, migrations.RunPython.noop),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
