"""What is measured outside the cases: on-site inspection, satisfaction, key tasks.

The program's roles add rows and change few columns: an answer stays as it was given. What the
findings of a point take off adds up, and the assessor drawn for it answered: at each commit.
"""

import uuid

import django.contrib.gis.db.models.fields
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
from django.conf import settings
from django.db import migrations, models

STAND = """
CREATE FUNCTION scoring_onsite_adds_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  added jsonb := to_jsonb(NEW);
  one scoring_onsiteanswer;
BEGIN
  SELECT * INTO one FROM scoring_onsiteanswer
    WHERE id = coalesce(added ->> 'answer_id', added ->> 'id')::bigint;
  IF one.deducted <> (SELECT coalesce(sum(points), 0) FROM scoring_onsitefinding
                      WHERE answer_id = one.id) THEN
    RAISE EXCEPTION 'the findings of answer % do not add up to %', one.id, one.deducted
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF one.by_id <> (SELECT assessor_id FROM scoring_onsitepoint WHERE id = one.point_id) THEN
    RAISE EXCEPTION 'answer % is not of the assessor drawn', one.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER scoring_onsiteanswer_adds_up AFTER INSERT OR UPDATE
  ON scoring_onsiteanswer DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION scoring_onsite_adds_up();
CREATE CONSTRAINT TRIGGER scoring_onsitefinding_adds_up AFTER INSERT OR UPDATE
  ON scoring_onsitefinding DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION scoring_onsite_adds_up();

REVOKE UPDATE, DELETE, TRUNCATE ON scoring_onsitedraw, scoring_onsitepoint, scoring_onsiteanswer,
  scoring_onsitefinding, scoring_keytaskchange, scoring_survey, scoring_surveyanswer
  FROM cityops_web, cityops_system;
REVOKE DELETE, TRUNCATE ON scoring_keytask, scoring_milestone FROM cityops_web, cityops_system;
GRANT UPDATE (withdrawn_by_id, withdrawn_at, withdrawn_reason) ON scoring_survey TO cityops_web;
GRANT UPDATE (counts) ON scoring_surveyanswer TO cityops_web;
"""
UNSTAND = """
DROP TRIGGER scoring_onsitefinding_adds_up ON scoring_onsitefinding;
DROP TRIGGER scoring_onsiteanswer_adds_up ON scoring_onsiteanswer;
DROP FUNCTION scoring_onsite_adds_up();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0031_desk_alarm"),
        ("scoring", "0005_period_life"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyTask",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=100, verbose_name="title")),
                ("body", models.CharField(max_length=20)),
                ("about", models.CharField(blank=True, max_length=1000)),
                ("version", models.PositiveIntegerField(default=1)),
                ("added_at", models.DateTimeField()),
                (
                    "unit",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, to="cases.unit"
                    ),
                ),
            ],
            options={
                "verbose_name": "key task",
                "verbose_name_plural": "key tasks",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Milestone",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, verbose_name="milestone")),
                ("due_on", models.DateField(verbose_name="due")),
                ("progress", models.PositiveSmallIntegerField(default=0)),
                ("met_on", models.DateField(null=True)),
                ("evidence", models.CharField(blank=True, max_length=400)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("dropped_at", models.DateTimeField(null=True)),
                (
                    "confirmed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reported_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="milestones",
                        to="scoring.keytask",
                    ),
                ),
            ],
            options={
                "verbose_name": "milestone",
                "verbose_name_plural": "milestones",
                "ordering": ["due_on", "pk"],
            },
        ),
        migrations.CreateModel(
            name="KeyTaskChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("added", "added"),
                            ("changed", "changed"),
                            ("milestone", "milestone added"),
                            ("moved", "milestone changed"),
                            ("progress", "progress reported"),
                            ("met", "reported as met"),
                            ("confirmed", "confirmed"),
                            ("sent_back", "sent back"),
                            ("dropped", "milestone dropped"),
                        ],
                        max_length=10,
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                ("said", models.JSONField(default=dict)),
                ("reason", models.CharField(blank=True, max_length=400)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "task",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="scoring.keytask",
                    ),
                ),
                (
                    "milestone",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="scoring.milestone",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a key task",
                "verbose_name_plural": "changes of key tasks",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="OnsiteAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("deducted", models.DecimalField(decimal_places=2, max_digits=6)),
                ("score", models.DecimalField(decimal_places=2, max_digits=5)),
                ("remark", models.CharField(blank=True, max_length=400)),
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
                "verbose_name": "answer from a point",
                "verbose_name_plural": "answers from points",
            },
        ),
        migrations.CreateModel(
            name="OnsiteDraw",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=8, unique=True, verbose_name="period")),
                ("name", models.CharField(max_length=30, unique=True)),
                ("heads", models.JSONField()),
                ("seed", models.CharField(max_length=64)),
                ("checklist", models.JSONField()),
                ("pool", models.JSONField()),
                ("assessors", models.JSONField()),
                ("drawn_at", models.DateTimeField()),
                (
                    "drawn_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "draw of points on site",
                "verbose_name_plural": "draws of points on site",
            },
        ),
        migrations.CreateModel(
            name="OnsiteFinding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=8)),
                ("points", models.DecimalField(decimal_places=2, max_digits=5)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("key", models.UUIDField(default=uuid.uuid4, null=True, unique=True)),
                ("known_case", models.CharField(blank=True, max_length=20)),
                (
                    "answer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="scoring.onsiteanswer",
                    ),
                ),
            ],
            options={
                "verbose_name": "finding on site",
                "verbose_name_plural": "findings on site",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="OnsitePoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("body", models.CharField(max_length=20)),
                ("kind", models.CharField(max_length=10)),
                ("cell", models.CharField(max_length=15, verbose_name="grid cell")),
                ("order", models.PositiveSmallIntegerField()),
                (
                    "place",
                    django.contrib.gis.db.models.fields.PointField(spatial_index=False, srid=4326),
                ),
                (
                    "assessor_of",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), size=None
                    ),
                ),
                (
                    "assessor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "draw",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="points",
                        to="scoring.onsitedraw",
                    ),
                ),
            ],
            options={
                "verbose_name": "point on site",
                "verbose_name_plural": "points on site",
                "ordering": ["draw", "body", "order"],
            },
        ),
        migrations.AddField(
            model_name="onsiteanswer",
            name="point",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="answer",
                to="scoring.onsitepoint",
            ),
        ),
        migrations.CreateModel(
            name="Survey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=8, verbose_name="period")),
                ("name", models.CharField(max_length=100)),
                ("sha256", models.CharField(max_length=64)),
                ("rows", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(null=True)),
                ("withdrawn_reason", models.CharField(blank=True, max_length=400)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "withdrawn_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "survey",
                "verbose_name_plural": "surveys",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="SurveyAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=8)),
                ("counts", models.BooleanField(default=True)),
                ("number", models.CharField(max_length=40)),
                ("body", models.CharField(max_length=20)),
                ("mark", models.PositiveSmallIntegerField()),
                ("said_on", models.DateField()),
                (
                    "survey",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answers",
                        to="scoring.survey",
                    ),
                ),
            ],
            options={
                "verbose_name": "survey answer",
                "verbose_name_plural": "survey answers",
                "ordering": ["pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="keytask",
            constraint=models.CheckConstraint(
                condition=models.Q(("body__in", ("hecheng", "hightech", "landport", "zhongfang"))),
                name="task_body_known",
            ),
        ),
        migrations.AddIndex(
            model_name="milestone",
            index=models.Index(models.F("due_on"), name="milestone_by_due"),
        ),
        migrations.AddConstraint(
            model_name="milestone",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("met_on", None), ("progress__lt", 100)),
                    models.Q(
                        ("met_on__isnull", False),
                        ("progress", 100),
                        ("reported_by__isnull", False),
                        models.Q(("evidence", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="milestone_met_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="milestone",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("confirmed_at", None), ("confirmed_by", None)),
                    models.Q(
                        ("confirmed_at__isnull", False),
                        ("confirmed_by__isnull", False),
                        ("met_on__isnull", False),
                        models.Q(("confirmed_by", models.F("reported_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="milestone_confirmed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="keytaskchange",
            constraint=models.UniqueConstraint(
                fields=("task", "version"), name="task_change_once_a_version"
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitefinding",
            constraint=models.UniqueConstraint(
                fields=("answer", "code"), name="onsite_item_found_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitefinding",
            constraint=models.CheckConstraint(
                condition=models.Q(("points__gt", 0)), name="onsite_finding_takes_off"
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitefinding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("key", None), models.Q(("known_case", ""), _negated=True)),
                    models.Q(("key__isnull", False), ("known_case", "")),
                    _connector="OR",
                ),
                name="onsite_finding_is_one_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitepoint",
            constraint=models.UniqueConstraint(
                fields=("draw", "cell"), name="onsite_cell_once_a_draw"
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitepoint",
            constraint=models.UniqueConstraint(
                fields=("draw", "body", "order"), name="onsite_point_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitepoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("body__in", ("hecheng", "hightech", "landport", "zhongfang"))),
                name="onsite_body_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="onsitepoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("assessor_of__contains", [models.F("body")]), _negated=True),
                name="onsite_not_of_the_body",
            ),
        ),
        migrations.AddConstraint(
            model_name="onsiteanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "score",
                        django.db.models.functions.comparison.Greatest(
                            django.db.models.expressions.CombinedExpression(
                                models.Value(100), "-", models.F("deducted")
                            ),
                            models.Value(0),
                        ),
                    )
                ),
                name="onsite_score_of_its_deductions",
            ),
        ),
        migrations.AddConstraint(
            model_name="survey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("withdrawn_at", None)),
                fields=("sha256",),
                name="survey_file_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="survey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("withdrawn_at", None), ("withdrawn_by", None), ("withdrawn_reason", "")
                    ),
                    models.Q(
                        ("withdrawn_at__isnull", False),
                        ("withdrawn_by__isnull", False),
                        models.Q(("withdrawn_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="survey_withdrawn_whole",
            ),
        ),
        migrations.AddIndex(
            model_name="surveyanswer",
            index=models.Index(models.F("period"), models.F("body"), name="survey_by_body"),
        ),
        migrations.AddConstraint(
            model_name="surveyanswer",
            constraint=models.UniqueConstraint(
                condition=models.Q(("counts", True)),
                fields=("period", "number"),
                name="survey_answer_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="surveyanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(("body__in", ("hecheng", "hightech", "landport", "zhongfang"))),
                name="survey_body_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="surveyanswer",
            constraint=models.CheckConstraint(
                condition=models.Q(("mark__range", (1, 5))), name="survey_mark_known"
            ),
        ),
        migrations.RunSQL(STAND, UNSTAND),
    ]
