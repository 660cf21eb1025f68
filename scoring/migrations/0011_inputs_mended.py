"""Key tasks: a form lists its task once; an overdue milestone is dropped by two assessors."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0010_editions_mended"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="keytask",
            name="key",
            field=models.UUIDField(null=True, unique=True),
        ),
        migrations.AddField(
            model_name="milestone",
            name="dropped_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="milestone",
            name="drop_asked_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="keytaskchange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("added", "added"),
                    ("changed", "changed"),
                    ("milestone", "milestone added"),
                    ("moved", "milestone changed"),
                    ("progress", "progress reported"),
                    ("met", "reported as met"),
                    ("confirmed", "confirmed"),
                    ("sent_back", "sent back"),
                    ("drop_asked", "drop of an overdue milestone proposed"),
                    ("drop_kept", "overdue milestone kept"),
                    ("dropped", "milestone dropped"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="milestone",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("dropped_by", None),
                    ("drop_asked_by", None),
                    models.Q(("dropped_by", models.F("drop_asked_by")), _negated=True),
                    _connector="OR",
                ),
                name="milestone_dropped_by_another",
            ),
        ),
    ]
