"""Points on site may be handed on to the next of the draw, by a row that says why.

The program's roles may change the assessor of a point now, and a trigger lets them by such a row
alone, never once the point is answered.
"""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

STAND = """
CREATE FUNCTION scoring_onsite_handed_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM scoring_onsiteanswer WHERE point_id = OLD.id) THEN
    RAISE EXCEPTION 'point % is answered: its assessor stays', OLD.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NOT EXISTS (
      SELECT FROM scoring_onsitereplacement
      WHERE draw_id = OLD.draw_id AND body = OLD.body AND before_id = OLD.assessor_id
        AND after_id = NEW.assessor_id AND OLD."order" = ANY (points)) THEN
    RAISE EXCEPTION 'point % is handed on by no replacement', OLD.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER scoring_onsitepoint_handed_on BEFORE UPDATE ON scoring_onsitepoint
  FOR EACH ROW EXECUTE FUNCTION scoring_onsite_handed_on();

REVOKE UPDATE, DELETE, TRUNCATE ON scoring_onsitereplacement FROM cityops_web, cityops_system;
GRANT UPDATE (assessor_id, assessor_of) ON scoring_onsitepoint TO cityops_web, cityops_system;
"""
UNSTAND = """
REVOKE UPDATE (assessor_id, assessor_of) ON scoring_onsitepoint FROM cityops_web, cityops_system;
DROP TRIGGER scoring_onsitepoint_handed_on ON scoring_onsitepoint;
DROP FUNCTION scoring_onsite_handed_on();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0011_inputs_mended"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="OnsiteReplacement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("body", models.CharField(max_length=20)),
                (
                    "points",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.PositiveSmallIntegerField(), size=None
                    ),
                ),
                ("reason", models.CharField(max_length=400, verbose_name="reason")),
                ("at", models.DateTimeField()),
                (
                    "after",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "before",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "by",
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
                        related_name="replacements",
                        to="scoring.onsitedraw",
                    ),
                ),
            ],
            options={
                "verbose_name": "assessor replaced on site",
                "verbose_name_plural": "assessors replaced on site",
                "ordering": ["pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("reason__gt", ""),
                            models.Q(("before", models.F("after")), _negated=True),
                        ),
                        name="onsite_replaced_with_a_reason",
                    )
                ],
            },
        ),
        migrations.RunSQL(STAND, UNSTAND),
    ]
