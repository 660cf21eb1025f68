"""One list a number instead of one row a case; runs stored before had other counts and go."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0001_initial"),
    ]

    operations = [
        migrations.DeleteModel(name="RunCase"),
        migrations.RunSQL("DELETE FROM scoring_run", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="RunList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("body", models.CharField(max_length=20)),
                ("count", models.CharField(max_length=20)),
                (
                    "numbers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), size=None
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, to="scoring.run"
                    ),
                ),
            ],
            options={
                "verbose_name": "list of a run",
                "verbose_name_plural": "lists of a run",
            },
        ),
        migrations.AddConstraint(
            model_name="runlist",
            constraint=models.UniqueConstraint(
                fields=("run", "body", "count"), name="runlist_once_a_number"
            ),
        ),
    ]
