"""What a run read beside the log; and a run stands as it was computed, its seal that of its result.

The roles of the program add runs and forget provisional ones; nothing changes one.
"""

from django.db import migrations, models

STAND = """
ALTER TABLE scoring_run ADD CONSTRAINT run_seal_is_of_its_result
  CHECK (seal = encode(sha256(convert_to(result, 'UTF8')), 'hex'));
REVOKE UPDATE, TRUNCATE ON scoring_run, scoring_runlist FROM cityops_web, cityops_system;
"""
UNSTAND = """
ALTER TABLE scoring_run DROP CONSTRAINT run_seal_is_of_its_result;
GRANT UPDATE ON scoring_run, scoring_runlist TO cityops_web, cityops_system;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0003_schemes"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="beside",
            field=models.TextField(default="{}"),
        ),
        migrations.RunSQL(STAND, UNSTAND),
    ]
