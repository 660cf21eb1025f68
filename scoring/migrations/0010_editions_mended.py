"""What an edition's paper rests on is kept with it; and two assessors stand behind a Word template.

An edition keeps the result its bulletin compares with, and the template. A template is confirmed
once, by another than who sent it, and then stands.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from scoring.periods import earlier, parse_period

GUARD = """
CREATE FUNCTION scoring_template_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE decided text[] := ARRAY['confirmed_by_id', 'confirmed_at'];
BEGIN
  IF TG_TABLE_NAME = 'scoring_edition' THEN
    IF NEW.template_id IS NULL OR EXISTS (SELECT FROM scoring_bulletintemplate t
        WHERE t.id = NEW.template_id AND t.confirmed_at IS NOT NULL) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'template % is not confirmed', NEW.template_id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.confirmed_at IS NULL
    AND to_jsonb(NEW) - decided = to_jsonb(OLD) - decided THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'template % stands as it is', OLD.id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_template_stands BEFORE UPDATE OR DELETE ON scoring_bulletintemplate
  FOR EACH ROW EXECUTE FUNCTION scoring_template_stands();
CREATE TRIGGER scoring_template_stands BEFORE INSERT ON scoring_edition
  FOR EACH ROW EXECUTE FUNCTION scoring_template_stands();
GRANT UPDATE (confirmed_by_id, confirmed_at) ON scoring_bulletintemplate TO cityops_web;
"""
UNGUARD = """
REVOKE UPDATE (confirmed_by_id, confirmed_at) ON scoring_bulletintemplate FROM cityops_web;
DROP TRIGGER scoring_template_stands ON scoring_edition;
DROP TRIGGER scoring_template_stands ON scoring_bulletintemplate;
DROP FUNCTION scoring_template_stands();
"""


def keep(apps, schema_editor):
    """Give the editions of before what their papers were made from, as far as it is known."""
    edition_model = apps.get_model("scoring", "Edition")
    run_model = apps.get_model("scoring", "Run")
    templates = apps.get_model("scoring", "BulletinTemplate").objects.order_by("-pk")
    schema_editor.execute("ALTER TABLE scoring_edition DISABLE TRIGGER scoring_edition_stands")
    for edition in edition_model.objects.filter(returned_at=None):
        moment = edition.approved_at or edition.submitted_at
        for last in earlier(parse_period(edition.period_id), 1):
            runs = run_model.objects.filter(
                period=last.name, scheme__level="district", as_of__gte=last.end
            )
            published = runs.filter(editions__approved_at__lte=moment)
            found = published.order_by("-editions__number").first()
            found = found or runs.order_by("-as_of", "-pk").first()
            edition.compared = found.result if found else ""
        edition.template = templates.filter(at__lte=moment).first()
        edition.save()
    schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    schema_editor.execute("ALTER TABLE scoring_edition ENABLE TRIGGER scoring_edition_stands")


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0009_meetings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="bulletintemplate",
            name="confirmed_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="bulletintemplate",
            name="confirmed_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="edition",
            name="compared",
            field=models.TextField(default=""),
        ),
        migrations.AddField(
            model_name="edition",
            name="template",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="scoring.bulletintemplate",
            ),
        ),
        migrations.AlterField(
            model_name="bulletintemplate",
            name="at",
            field=models.DateTimeField(),
        ),
        migrations.AlterField(
            model_name="bulletintext",
            name="at",
            field=models.DateTimeField(),
        ),
        migrations.AddConstraint(
            model_name="bulletintemplate",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("confirmed_at", None), ("confirmed_by", None)),
                    models.Q(
                        ("confirmed_at__isnull", False),
                        ("confirmed_by__isnull", False),
                        models.Q(("confirmed_by", models.F("by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="template_confirmed_by_another",
            ),
        ),
        migrations.RunPython(keep, migrations.RunPython.noop),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
