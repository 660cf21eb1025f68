"""Versions of schemes as data of their own form, and what keeps them as they were approved.

Runs and schemes stored before had another form and go: what is scored is computed anew from the
log. A trigger lets an approved or shipped version end, and refuses every other change of it.
"""

import django.contrib.postgres.constraints
import django.contrib.postgres.fields.ranges
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

GUARD = """
ALTER TABLE scoring_scheme
  ADD CONSTRAINT scheme_seal_is_of_its_rules
    CHECK (digest = encode(sha256(convert_to(body, 'UTF8')), 'hex')),
  ADD CONSTRAINT scheme_changes_where_a_month_begins
    CHECK (valid IS NULL OR (
      lower_inc(valid) AND NOT upper_inc(valid)
      AND lower(valid) AT TIME ZONE 'Asia/Shanghai'
        = date_trunc('month', lower(valid) AT TIME ZONE 'Asia/Shanghai')
      AND (upper_inf(valid) OR upper(valid) AT TIME ZONE 'Asia/Shanghai'
        = date_trunc('month', upper(valid) AT TIME ZONE 'Asia/Shanghai'))));

CREATE FUNCTION scoring_scheme_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.valid IS NULL AND NOT OLD.is_shipped AND OLD.dropped_at IS NULL THEN
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
  END IF;
  IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'valid' = to_jsonb(OLD) - 'valid'
    AND NEW.valid IS NOT NULL AND lower(NEW.valid) = lower(OLD.valid)
    AND (upper_inf(OLD.valid) OR upper(NEW.valid) = upper(OLD.valid)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'version % of a scheme stands as it is', OLD.version
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER scoring_scheme_stands BEFORE UPDATE OR DELETE ON scoring_scheme
  FOR EACH ROW EXECUTE FUNCTION scoring_scheme_stands();

REVOKE DELETE, TRUNCATE ON scoring_scheme FROM cityops_web, cityops_system;
REVOKE UPDATE, DELETE, TRUNCATE ON scoring_manualentry FROM cityops_web, cityops_system;
"""
UNGUARD = """
DROP TRIGGER scoring_scheme_stands ON scoring_scheme;
DROP FUNCTION scoring_scheme_stands();
ALTER TABLE scoring_scheme DROP CONSTRAINT scheme_changes_where_a_month_begins,
  DROP CONSTRAINT scheme_seal_is_of_its_rules;
GRANT DELETE ON scoring_scheme TO cityops_web, cityops_system;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0025_runs"),
        ("scoring", "0002_lists_of_a_run"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(
            "TRUNCATE scoring_runlist, scoring_run, scoring_scheme", migrations.RunSQL.noop
        ),
        migrations.AlterModelOptions(
            name="scheme",
            options={
                "ordering": ["level", "-created_at", "version"],
                "verbose_name": "scheme",
                "verbose_name_plural": "schemes",
            },
        ),
        migrations.RemoveField(
            model_name="scheme",
            name="data",
        ),
        migrations.AddField(
            model_name="scheme",
            name="approved_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="scheme",
            name="approved_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="scheme",
            name="author",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="scheme",
            name="based_on",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="scoring.scheme",
            ),
        ),
        migrations.AddField(
            model_name="scheme",
            name="body",
            field=models.TextField(default="", verbose_name="rules"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="scheme",
            name="changed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="scheme",
            name="changed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="scheme",
            name="created_at",
            field=models.DateTimeField(auto_now_add=True, default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="scheme",
            name="dropped_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="scheme",
            name="dropped_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="scheme",
            name="is_shipped",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="scheme",
            name="level",
            field=models.CharField(
                choices=[
                    ("district", "districts"),
                    ("unit", "units"),
                    ("street", "streets"),
                    ("post", "posts of the centre"),
                ],
                default="",
                max_length=10,
                verbose_name="level",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="scheme",
            name="proposed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="scheme",
            name="proposed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="scheme",
            name="proposed_from",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="scheme",
            name="proposed_reason",
            field=models.CharField(blank=True, max_length=400),
        ),
        migrations.AddField(
            model_name="scheme",
            name="reason",
            field=models.CharField(blank=True, max_length=400, verbose_name="reason"),
        ),
        migrations.AddField(
            model_name="scheme",
            name="valid",
            field=django.contrib.postgres.fields.ranges.DateTimeRangeField(
                blank=True, null=True, verbose_name="in force"
            ),
        ),
        migrations.AlterField(
            model_name="runlist",
            name="body",
            field=models.CharField(max_length=40),
        ),
        migrations.AlterField(
            model_name="scheme",
            name="digest",
            field=models.CharField(max_length=64, verbose_name="seal"),
        ),
        migrations.AddConstraint(
            model_name="scheme",
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(
                expressions=[("level", "="), ("valid", "&&")], name="scheme_one_in_force_at_a_time"
            ),
        ),
        migrations.AddConstraint(
            model_name="scheme",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("proposed_at", None), ("proposed_by", None), ("proposed_from", None)),
                    models.Q(
                        ("proposed_at__isnull", False),
                        ("proposed_by__isnull", False),
                        ("proposed_from__isnull", False),
                        ("proposed_reason__gt", ""),
                    ),
                    _connector="OR",
                ),
                name="scheme_proposed_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="scheme",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("approved_at", None), ("approved_by", None), ("valid", None)),
                    models.Q(("approved_at", None), ("approved_by", None), ("is_shipped", True)),
                    models.Q(
                        ("approved_at__isnull", False),
                        ("approved_by__isnull", False),
                        ("valid__isnull", False),
                        ("proposed_by__isnull", False),
                        models.Q(("approved_by", models.F("proposed_by")), _negated=True),
                        models.Q(("approved_by", models.F("author")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="scheme_approved_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="scheme",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("dropped_at", None), ("dropped_by", None)),
                    models.Q(
                        ("dropped_at__isnull", False),
                        ("dropped_by__isnull", False),
                        ("valid", None),
                    ),
                    _connector="OR",
                ),
                name="scheme_dropped_a_draft",
            ),
        ),
        migrations.CreateModel(
            name="ManualEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=8, verbose_name="period")),
                ("body", models.CharField(max_length=40)),
                ("code", models.CharField(max_length=8, verbose_name="item")),
                (
                    "points",
                    models.DecimalField(decimal_places=4, max_digits=10, verbose_name="points"),
                ),
                ("evidence", models.CharField(max_length=400, verbose_name="evidence")),
                ("reason", models.CharField(max_length=400, verbose_name="reason")),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "scheme",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="scoring.scheme",
                    ),
                ),
            ],
            options={
                "verbose_name": "manual entry",
                "verbose_name_plural": "manual entries",
                "ordering": ["pk"],
                "indexes": [
                    models.Index(models.F("scheme"), models.F("period"), name="entry_by_period")
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("points__gte", 0)), name="entry_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("evidence__gt", ""), ("reason__gt", "")),
                        name="entry_has_evidence_and_reason",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
