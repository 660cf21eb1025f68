"""Count what came back beside what was closed; the next ticks count every case again."""

from django.db import migrations, models

# What was counted before stays until it is counted again, so that readers miss nothing.
COUNT_AGAIN = "UPDATE cases_rollupstate SET positions = '{}'"


class Migration(migrations.Migration):
    dependencies = [("cases", "0032_event_due")]

    operations = [
        migrations.AddField("rollup", "recurrent", models.IntegerField(default=0)),
        migrations.AddField("rollupcase", "recurrent_on", models.DateField(null=True)),
        migrations.AddField("rollupcase", "recurred_in", models.BigIntegerField(null=True)),
        migrations.AddIndex("rollupcase", models.Index("place", "minor", name="rollup_cases_at")),
        migrations.AddIndex(
            "rollupcase",
            models.Index(
                "recurred_in",
                condition=models.Q(("recurred_in__isnull", False)),
                name="rollup_recurred",
            ),
        ),
        migrations.RunSQL(COUNT_AGAIN, migrations.RunSQL.noop),
    ]
