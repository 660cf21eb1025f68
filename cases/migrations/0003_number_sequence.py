"""Case numbers come from a sequence, so that reports of four districts do not queue for a row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0002_logs_and_rights")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE cases_number", "DROP SEQUENCE cases_number"),
        migrations.RenameField("numbercounter", "last", "base"),
        migrations.AlterField("numbercounter", "base", models.BigIntegerField()),
        # A day under way goes on after its last number.
        migrations.RunSQL("UPDATE cases_numbercounter SET base = -base", migrations.RunSQL.noop),
    ]
