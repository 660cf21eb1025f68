"""Walls, and shift hand-overs that nobody changes once they were taken over."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import cases.models.wall

KEPT = """
    CREATE FUNCTION handover_keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.taken_at IS NOT NULL THEN
            RAISE EXCEPTION 'hand-over % was taken over and is kept as it is', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        IF (to_jsonb(NEW) - 'taken_by_id' - 'taken_at')
           IS DISTINCT FROM (to_jsonb(OLD) - 'taken_by_id' - 'taken_at') THEN
            RAISE EXCEPTION 'hand-over % can only be taken over', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER handover_keep BEFORE UPDATE OR DELETE ON cases_handover
        FOR EACH ROW EXECUTE FUNCTION handover_keep();
    REVOKE UPDATE, DELETE, TRUNCATE ON cases_handoverpaper FROM cityops_web, cityops_system;
"""
UNKEPT = """
    DROP TRIGGER handover_keep ON cases_handover;
    DROP FUNCTION handover_keep();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0027_export"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Handover",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("scope", models.CharField(max_length=20)),
                (
                    "desk",
                    models.CharField(
                        choices=[
                            ("supervision", "supervision centre"),
                            ("command", "command centre"),
                        ],
                        max_length=12,
                    ),
                ),
                ("notes", models.TextField(blank=True, max_length=4000, verbose_name="notes")),
                ("matter", models.JSONField()),
                ("given_at", models.DateTimeField()),
                ("taken_at", models.DateTimeField(null=True)),
                (
                    "given_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "taken_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "hand-over",
                "verbose_name_plural": "hand-overs",
            },
        ),
        migrations.CreateModel(
            name="HandoverPaper",
            fields=[
                (
                    "handover",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="paper",
                        serialize=False,
                        to="cases.handover",
                    ),
                ),
                ("content", models.BinaryField()),
                ("made_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Wall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, verbose_name="name")),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("city", "city"),
                            ("hecheng", "hecheng"),
                            ("hightech", "hightech"),
                            ("landport", "landport"),
                            ("zhongfang", "zhongfang"),
                        ],
                        max_length=20,
                        verbose_name="scope",
                    ),
                ),
                (
                    "addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=43, validators=[cases.models.wall.require_network]
                        ),
                        help_text="addresses or networks like 10.12.0.0/16, separated by commas",
                        size=None,
                        verbose_name="allowed addresses",
                    ),
                ),
                (
                    "pages",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("today", "today"),
                                ("compare", "districts compared"),
                                ("trend", "trend of classes"),
                                ("late", "overdue cases"),
                            ],
                            max_length=10,
                        ),
                        size=None,
                        verbose_name="pages",
                    ),
                ),
                (
                    "rotation_s",
                    models.PositiveSmallIntegerField(
                        default=30,
                        validators=[
                            django.core.validators.MinValueValidator(10),
                            django.core.validators.MaxValueValidator(600),
                        ],
                        verbose_name="each page, seconds",
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("zh-hans", "Simplified Chinese"), ("en", "English")],
                        default="zh-hans",
                        max_length=10,
                        verbose_name="language",
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires")),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created"
                    ),
                ),
                (
                    "revoked_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="revoked"),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "wall",
                "verbose_name_plural": "walls",
            },
        ),
        migrations.AddIndex(
            model_name="handover",
            index=models.Index(
                models.F("scope"),
                models.OrderBy(models.F("given_at"), descending=True),
                name="handover_newest",
            ),
        ),
        migrations.AddConstraint(
            model_name="handover",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("scope__in", ("city", "hecheng", "hightech", "landport", "zhongfang"))
                ),
                name="handover_scope_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="handover",
            constraint=models.UniqueConstraint(
                condition=models.Q(("taken_at", None)),
                fields=("scope", "desk"),
                name="handover_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="handover",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("taken_at", None), ("taken_by", None)),
                    models.Q(
                        ("taken_at__gte", models.F("given_at")),
                        ("taken_by__isnull", False),
                        models.Q(("taken_by", models.F("given_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="handover_taken_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="wall",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("scope__in", ("city", "hecheng", "hightech", "landport", "zhongfang"))
                ),
                name="wall_scope_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="wall",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("addresses", []), _negated=True),
                    models.Q(("pages", []), _negated=True),
                ),
                name="wall_has_addresses_and_pages",
            ),
        ),
        migrations.AddConstraint(
            model_name="wall",
            constraint=models.CheckConstraint(
                condition=models.Q(("rotation_s__gte", 10), ("rotation_s__lte", 600)),
                name="wall_rotation_sane",
            ),
        ),
        migrations.RunSQL(KEPT, UNKEPT),
    ]
