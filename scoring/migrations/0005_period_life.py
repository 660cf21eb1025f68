"""The life of a period: its dates, the editions of its result, and the objections to it.

And everybody who ever changed a scheme, none of whom approves it.

Triggers keep a sealed run, its lists, a decided edition, an answered objection and the dates of a
published period as they are, whoever asks.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

GUARD = """
CREATE FUNCTION scoring_period_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.name = OLD.name AND NEW.ends_at = OLD.ends_at
    AND NOT EXISTS (SELECT FROM scoring_edition e
      WHERE e.period_id = OLD.name AND e.returned_at IS NULL)
    AND (OLD.closes_at > now() OR (NEW.closes_at = OLD.closes_at
      AND NEW.closed_by_id IS NOT DISTINCT FROM OLD.closed_by_id
      AND NEW.window_until >= OLD.window_until)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the dates of period % stand as they are', OLD.name
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_period_stands BEFORE UPDATE OR DELETE ON scoring_scoredperiod
  FOR EACH ROW EXECUTE FUNCTION scoring_period_stands();

CREATE FUNCTION scoring_edition_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE decided text[] := ARRAY['approved_by_id', 'approved_at', 'returned_by_id', 'returned_at',
  'returned_reason'];
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF EXISTS (SELECT FROM scoring_run r JOIN scoring_scheme s ON s.version = r.scheme_id
        JOIN scoring_scoredperiod p ON p.name = r.period
        WHERE r.id = NEW.run_id AND r.period = NEW.period_id AND r.as_of >= p.ends_at
          AND s.level = 'district')
      AND NEW.approved_at IS NULL AND NEW.returned_at IS NULL
      AND NEW.number = 1 + (SELECT count(*) FROM scoring_edition e
        WHERE e.period_id = NEW.period_id AND e.approved_at IS NOT NULL) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'this is no run of the closed period %, or not its next edition', NEW.period_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.approved_at IS NULL AND OLD.returned_at IS NULL
    AND to_jsonb(NEW) - decided = to_jsonb(OLD) - decided
    AND (NEW.approved_at IS NULL OR NOT EXISTS (SELECT FROM scoring_objection o
      WHERE o.period_id = NEW.period_id AND o.state = 'open')) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'edition % of % stands as it is', OLD.number, OLD.period_id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_edition_stands BEFORE INSERT OR UPDATE OR DELETE ON scoring_edition
  FOR EACH ROW EXECUTE FUNCTION scoring_edition_stands();

CREATE FUNCTION scoring_run_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE run bigint;
BEGIN
  IF TG_TABLE_NAME = 'scoring_run' THEN
    run := OLD.id;
  ELSIF TG_OP = 'INSERT' THEN
    run := NEW.run_id;
  ELSE
    run := OLD.run_id;
  END IF;
  IF EXISTS (SELECT FROM scoring_edition e WHERE e.run_id = run) THEN
    RAISE EXCEPTION 'run % was submitted and stands as it is', run
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER scoring_run_is_sealed BEFORE UPDATE OR DELETE ON scoring_run
  FOR EACH ROW EXECUTE FUNCTION scoring_run_is_sealed();
CREATE TRIGGER scoring_run_is_sealed BEFORE INSERT OR UPDATE OR DELETE ON scoring_runlist
  FOR EACH ROW EXECUTE FUNCTION scoring_run_is_sealed();

CREATE FUNCTION scoring_objection_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE answered text[] := ARRAY['state', 'answer', 'answered_by_id', 'answered_at'];
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state = 'open' AND NOT EXISTS (SELECT FROM scoring_edition e
        WHERE e.period_id = NEW.period_id AND e.returned_at IS NULL) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'nobody objects to period % any more', NEW.period_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.state = 'open'
    AND to_jsonb(NEW) - answered = to_jsonb(OLD) - answered THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'objection % stands as it is', OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_objection_stands BEFORE INSERT OR UPDATE OR DELETE ON scoring_objection
  FOR EACH ROW EXECUTE FUNCTION scoring_objection_stands();

ALTER TABLE scoring_scheme ADD CONSTRAINT scheme_approved_by_no_editor
  CHECK (approved_by_id IS NULL OR approved_by_id <> ALL (editor_ids));
UPDATE scoring_scheme SET editor_ids = ARRAY[changed_by_id]
  WHERE changed_by_id IS NOT NULL AND valid IS NULL AND NOT is_shipped AND dropped_at IS NULL;

REVOKE DELETE, TRUNCATE ON scoring_scoredperiod, scoring_edition, scoring_objection
  FROM cityops_web, cityops_system;
REVOKE UPDATE, DELETE, TRUNCATE ON scoring_objectionmessage, scoring_objectionadjustment
  FROM cityops_web, cityops_system;
"""
UNGUARD = """
ALTER TABLE scoring_scheme DROP CONSTRAINT scheme_approved_by_no_editor;
DROP TRIGGER scoring_objection_stands ON scoring_objection;
DROP TRIGGER scoring_run_is_sealed ON scoring_runlist;
DROP TRIGGER scoring_run_is_sealed ON scoring_run;
DROP TRIGGER scoring_edition_stands ON scoring_edition;
DROP TRIGGER scoring_period_stands ON scoring_scoredperiod;
DROP FUNCTION scoring_objection_stands();
DROP FUNCTION scoring_run_is_sealed();
DROP FUNCTION scoring_edition_stands();
DROP FUNCTION scoring_period_stands();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0031_desk_alarm"),
        ("scoring", "0004_run_beside"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="scheme",
            name="editor_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), blank=True, default=list, size=None
            ),
        ),
        migrations.CreateModel(
            name="Objection",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("body", models.CharField(max_length=40)),
                ("count", models.CharField(max_length=20)),
                ("value", models.CharField(max_length=20)),
                ("district", models.CharField(max_length=20, verbose_name="district")),
                ("text", models.TextField(max_length=2000, verbose_name="objection")),
                ("raised_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("upheld", "upheld"),
                            ("rejected", "rejected"),
                            ("withdrawn", "withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("answer", models.TextField(blank=True, max_length=2000, verbose_name="answer")),
                ("answered_at", models.DateTimeField(null=True)),
                (
                    "answered_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "raised_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="objections",
                        to="scoring.run",
                    ),
                ),
            ],
            options={
                "verbose_name": "objection",
                "verbose_name_plural": "objections",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="ObjectionAdjustment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
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
                    "objection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="adjustments",
                        to="scoring.objection",
                    ),
                ),
                (
                    "request",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cases.request",
                    ),
                ),
            ],
            options={
                "verbose_name": "adjustment that answers an objection",
                "verbose_name_plural": "adjustments that answer objections",
            },
        ),
        migrations.CreateModel(
            name="ObjectionMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("district", models.CharField(max_length=20)),
                ("text", models.TextField(max_length=2000)),
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
                    "objection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="scoring.objection",
                    ),
                ),
            ],
            options={
                "verbose_name": "message",
                "verbose_name_plural": "messages",
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="ScoredPeriod",
            fields=[
                (
                    "name",
                    models.CharField(
                        max_length=8, primary_key=True, serialize=False, verbose_name="period"
                    ),
                ),
                ("ends_at", models.DateTimeField()),
                ("closes_at", models.DateTimeField(verbose_name="closes")),
                ("window_until", models.DateTimeField(verbose_name="objections until")),
                (
                    "closed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "dated_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "period",
                "verbose_name_plural": "periods",
            },
        ),
        migrations.AddField(
            model_name="objection",
            name="period",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="objections",
                to="scoring.scoredperiod",
            ),
        ),
        migrations.CreateModel(
            name="Edition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="edition")),
                ("reason", models.CharField(blank=True, max_length=400, verbose_name="reason")),
                ("submitted_at", models.DateTimeField()),
                ("approved_at", models.DateTimeField(null=True)),
                ("returned_at", models.DateTimeField(null=True)),
                ("returned_reason", models.CharField(blank=True, max_length=400)),
                (
                    "approved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="approved by",
                    ),
                ),
                (
                    "returned_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="editions",
                        to="scoring.run",
                    ),
                ),
                (
                    "submitted_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="submitted by",
                    ),
                ),
                (
                    "period",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="editions",
                        to="scoring.scoredperiod",
                    ),
                ),
            ],
            options={
                "verbose_name": "edition",
                "verbose_name_plural": "editions",
                "ordering": ["period", "pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="scoredperiod",
            constraint=models.CheckConstraint(
                condition=models.Q(("closes_at__gte", models.F("ends_at"))),
                name="scoredperiod_closes_after_its_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="scoredperiod",
            constraint=models.CheckConstraint(
                condition=models.Q(("window_until__gte", models.F("closes_at"))),
                name="scoredperiod_window_after_closing",
            ),
        ),
        migrations.AddConstraint(
            model_name="objection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "open")),
                fields=("period", "district", "body", "count"),
                name="objection_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="objection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("answer", ""),
                        ("answered_at", None),
                        ("answered_by", None),
                        ("state", "open"),
                    ),
                    models.Q(
                        ("answer__gt", ""),
                        ("state__in", ["upheld", "rejected"]),
                        ("answered_at__isnull", False),
                        ("answered_by__isnull", False),
                    ),
                    models.Q(
                        ("answered_at__isnull", False),
                        ("answered_by__isnull", False),
                        ("state", "withdrawn"),
                    ),
                    _connector="OR",
                ),
                name="objection_answered_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="objection",
            constraint=models.CheckConstraint(
                condition=models.Q(("text__gt", "")), name="objection_has_text"
            ),
        ),
        migrations.AddConstraint(
            model_name="edition",
            constraint=models.UniqueConstraint(
                condition=models.Q(("returned_at", None)),
                fields=("period", "number"),
                name="edition_number_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="edition",
            constraint=models.UniqueConstraint(
                condition=models.Q(("approved_at", None), ("returned_at", None)),
                fields=("period",),
                name="edition_one_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="edition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_at", None), ("approved_by", None)),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("returned_at", None),
                        models.Q(("approved_by", models.F("submitted_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="edition_approved_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="edition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("returned_at", None), ("returned_by", None), ("returned_reason", "")),
                    models.Q(
                        ("returned_at__isnull", False),
                        ("returned_by__isnull", False),
                        ("returned_reason__gt", ""),
                    ),
                    _connector="OR",
                ),
                name="edition_returned_with_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="edition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("number", 1), models.Q(("number__gt", 1), ("reason__gt", "")), _connector="OR"
                ),
                name="edition_reissued_with_a_reason",
            ),
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
