"""What the office writes into bulletins and the template they are printed with: added, never changed."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

STAND = """
REVOKE UPDATE, DELETE, TRUNCATE ON scoring_bulletintext, scoring_bulletintemplate
  FROM cityops_web, cityops_system;
"""
UNSTAND = """
GRANT UPDATE, DELETE ON scoring_bulletintext, scoring_bulletintemplate
  TO cityops_web, cityops_system;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0006_measured"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BulletinTemplate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                ("content", models.BinaryField()),
                ("digest", models.CharField(max_length=64, verbose_name="seal")),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "template of the bulletin",
                "verbose_name_plural": "templates of the bulletin",
            },
        ),
        migrations.CreateModel(
            name="BulletinText",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=8, verbose_name="period")),
                ("key", models.CharField(max_length=20)),
                ("text", models.TextField(blank=True)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "paragraph of a bulletin",
                "verbose_name_plural": "paragraphs of bulletins",
                "indexes": [models.Index(models.F("period"), name="bulletin_text_by_period")],
            },
        ),
        migrations.RunSQL(STAND, UNSTAND),
    ]
