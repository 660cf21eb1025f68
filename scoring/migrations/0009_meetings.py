"""The monthly scheduling meetings: agendas, action items and their logs.

One meeting is open at a time and each is later than the last, so what is open is carried from one
to the next by itself. A finished meeting, its agenda and what it decided stand; an action item
that ended does too: triggers, whoever asks.
"""

import django.contrib.postgres.fields
import django.db.models.constraints
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

STAND = """
CREATE UNIQUE INDEX meeting_one_open ON scoring_meeting ((finished_at IS NULL))
  WHERE finished_at IS NULL;

CREATE FUNCTION scoring_meeting_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM scoring_meeting WHERE period >= NEW.period) THEN
      RETURN NEW;
    END IF;
    RAISE EXCEPTION 'there is a meeting of % or a later month', NEW.period
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.period = OLD.period
    AND NEW.prepared_at = OLD.prepared_at AND (OLD.finished_at IS NULL
      OR to_jsonb(NEW) - 'version' = to_jsonb(OLD) - 'version') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the meeting of % stands as it is', OLD.period
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_meeting_stands BEFORE INSERT OR UPDATE OR DELETE ON scoring_meeting
  FOR EACH ROW EXECUTE FUNCTION scoring_meeting_stands();

CREATE FUNCTION scoring_agenda_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE moving text[] := ARRAY['position', 'reasons', 'numbers', 'removed_by_id', 'removed_at'];
BEGIN
  IF EXISTS (SELECT FROM scoring_meeting m WHERE m.id = NEW.meeting_id AND m.finished_at IS NULL)
    AND (TG_OP = 'INSERT' OR to_jsonb(NEW) - moving = to_jsonb(OLD) - moving) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the agenda of meeting % stands as it is', NEW.meeting_id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_agenda_stands BEFORE INSERT OR UPDATE ON scoring_agendaline
  FOR EACH ROW EXECUTE FUNCTION scoring_agenda_stands();

CREATE FUNCTION scoring_item_stands() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  tracked text[] := ARRAY['version', 'due_on', 'asked_by_id', 'asked_at', 'confirmed_by_id',
    'confirmed_at', 'dropped_at'];
  decided text[] := tracked || ARRAY['text', 'unit_id', 'body', 'first_due_on'];
  in_session boolean := EXISTS (
    SELECT FROM scoring_meeting m WHERE m.id = NEW.meeting_id AND m.finished_at IS NULL);
BEGIN
  IF NEW.line_id IS NOT NULL AND NOT EXISTS (SELECT FROM scoring_agendaline l
      WHERE l.id = NEW.line_id AND l.meeting_id = NEW.meeting_id) THEN
    RAISE EXCEPTION 'item % names a line of another agenda', NEW.id
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF TG_OP = 'INSERT' AND (in_session OR EXISTS (SELECT FROM scoring_actionitem i
      WHERE i.id = NEW.replaces_id AND i.meeting_id = NEW.meeting_id
        AND i.dropped_at IS NOT NULL)) THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.confirmed_at IS NULL AND OLD.dropped_at IS NULL THEN
    IF to_jsonb(NEW) - tracked = to_jsonb(OLD) - tracked
      OR in_session AND to_jsonb(NEW) - decided = to_jsonb(OLD) - decided THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'item % of meeting % stands as it is', NEW.number, NEW.meeting_id
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER scoring_item_stands BEFORE INSERT OR UPDATE ON scoring_actionitem
  FOR EACH ROW EXECUTE FUNCTION scoring_item_stands();

REVOKE DELETE, TRUNCATE ON scoring_meeting, scoring_agendaline, scoring_actionitem
  FROM cityops_web, cityops_system;
REVOKE UPDATE, DELETE, TRUNCATE ON scoring_meetingchange, scoring_itemchange
  FROM cityops_web, cityops_system;
"""
UNSTAND = """
DROP TRIGGER scoring_item_stands ON scoring_actionitem;
DROP FUNCTION scoring_item_stands();
DROP TRIGGER scoring_agenda_stands ON scoring_agendaline;
DROP FUNCTION scoring_agenda_stands();
DROP TRIGGER scoring_meeting_stands ON scoring_meeting;
DROP FUNCTION scoring_meeting_stands();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0031_desk_alarm"),
        ("scoring", "0008_sums"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AgendaLine",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("overdue", "worst overdue"),
                            ("repeated", "repeated"),
                            ("disputed", "disputed"),
                            ("border", "border"),
                            ("own", "by the office"),
                        ],
                        max_length=10,
                    ),
                ),
                ("subject", models.CharField(blank=True, max_length=60)),
                ("reasons", models.JSONField(default=list)),
                (
                    "numbers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), default=list, size=None
                    ),
                ),
                ("text", models.CharField(blank=True, max_length=400)),
                ("added_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "added_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "removed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "line of an agenda",
                "verbose_name_plural": "lines of agendas",
                "ordering": ["position"],
            },
        ),
        migrations.CreateModel(
            name="ActionItem",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                ("text", models.CharField(max_length=400)),
                ("body", models.CharField(max_length=20)),
                ("first_due_on", models.DateField()),
                ("due_on", models.DateField(verbose_name="due")),
                ("version", models.PositiveIntegerField(default=1)),
                ("recorded_at", models.DateTimeField()),
                ("asked_at", models.DateTimeField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("dropped_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
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
                    "replaces",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="replaced_by",
                        to="scoring.actionitem",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="cases.unit"),
                ),
                (
                    "line",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="scoring.agendaline",
                    ),
                ),
            ],
            options={
                "verbose_name": "action item",
                "verbose_name_plural": "action items",
                "ordering": ["meeting", "number"],
            },
        ),
        migrations.CreateModel(
            name="Meeting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("period", models.CharField(max_length=7, unique=True, verbose_name="period")),
                ("as_of", models.DateTimeField(verbose_name="as of")),
                ("version", models.PositiveIntegerField(default=1)),
                ("prepared_at", models.DateTimeField()),
                ("held_on", models.DateField(null=True, verbose_name="held on")),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "finished_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "prepared_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "scheduling meeting",
                "verbose_name_plural": "scheduling meetings",
                "ordering": ["period"],
            },
        ),
        migrations.CreateModel(
            name="ItemChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("recorded", "recorded"),
                            ("changed", "changed"),
                            ("progress", "progress reported"),
                            ("asked", "reported as done"),
                            ("sent_back", "sent back"),
                            ("confirmed", "confirmed done"),
                            ("moved", "last day moved"),
                            ("replaced", "replaced by a correction"),
                            ("dropped", "dropped"),
                        ],
                        max_length=10,
                    ),
                ),
                ("said", models.JSONField(default=dict)),
                ("note", models.CharField(blank=True, max_length=400)),
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
                    "item",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="scoring.actionitem",
                    ),
                ),
                (
                    "meeting",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scoring.meeting",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of an action item",
                "verbose_name_plural": "changes of action items",
                "ordering": ["pk"],
            },
        ),
        migrations.AddField(
            model_name="agendaline",
            name="meeting",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="lines",
                to="scoring.meeting",
            ),
        ),
        migrations.AddField(
            model_name="actionitem",
            name="meeting",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="items",
                to="scoring.meeting",
            ),
        ),
        migrations.CreateModel(
            name="MeetingChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("version", models.PositiveIntegerField()),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("prepared", "prepared"),
                            ("proposed", "proposed again"),
                            ("added", "line added"),
                            ("removed", "line removed"),
                            ("restored", "line put back"),
                            ("moved", "line moved"),
                            ("decided", "decision recorded"),
                            ("finished", "finished"),
                            ("corrected", "correction"),
                        ],
                        max_length=10,
                    ),
                ),
                ("said", models.JSONField(default=dict)),
                ("text", models.CharField(blank=True, max_length=400)),
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
                    "item",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scoring.actionitem",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="scoring.agendaline",
                    ),
                ),
                (
                    "meeting",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="changes",
                        to="scoring.meeting",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a meeting",
                "verbose_name_plural": "changes of meetings",
                "ordering": ["pk"],
            },
        ),
        migrations.AddConstraint(
            model_name="meeting",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("finished_by", None), ("held_on", None)),
                    models.Q(
                        ("finished_at__isnull", False),
                        ("finished_by__isnull", False),
                        ("held_on__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="meeting_finished_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="itemchange",
            constraint=models.UniqueConstraint(
                fields=("item", "version"), name="item_change_once_a_version"
            ),
        ),
        migrations.AddConstraint(
            model_name="agendaline",
            constraint=models.UniqueConstraint(
                deferrable=django.db.models.constraints.Deferrable["DEFERRED"],
                fields=("meeting", "position"),
                name="agenda_position_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="agendaline",
            constraint=models.UniqueConstraint(
                condition=models.Q(("subject", ""), _negated=True),
                fields=("meeting", "subject"),
                name="agenda_subject_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="agendaline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "own"), ("subject", ""), ("text__gt", "")),
                    models.Q(
                        ("subject__gt", ""),
                        ("text", ""),
                        models.Q(("kind", "own"), _negated=True),
                        models.Q(("reasons", []), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="agenda_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="agendaline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("removed_at", None), ("removed_by", None)),
                    models.Q(("removed_at__isnull", False), ("removed_by__isnull", False)),
                    _connector="OR",
                ),
                name="agenda_removed_whole",
            ),
        ),
        migrations.AddIndex(
            model_name="actionitem",
            index=models.Index(
                models.F("due_on"),
                condition=models.Q(("confirmed_at", None), ("dropped_at", None)),
                name="item_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="actionitem",
            constraint=models.UniqueConstraint(
                fields=("meeting", "number"), name="item_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="actionitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("body__in", ("city", "hecheng", "hightech", "landport", "zhongfang"))
                ),
                name="item_body_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="actionitem",
            constraint=models.CheckConstraint(
                condition=models.Q(("text__gt", "")), name="item_says_what"
            ),
        ),
        migrations.AddConstraint(
            model_name="actionitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("asked_at", None), ("asked_by", None)),
                    models.Q(("asked_at__isnull", False), ("asked_by__isnull", False)),
                    _connector="OR",
                ),
                name="item_asked_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="actionitem",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("confirmed_at", None), ("confirmed_by", None)),
                    models.Q(
                        ("confirmed_at__isnull", False),
                        ("confirmed_by__isnull", False),
                        ("asked_at__isnull", False),
                        ("dropped_at", None),
                        models.Q(("confirmed_by", models.F("asked_by")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="item_confirmed_by_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="meetingchange",
            constraint=models.UniqueConstraint(
                fields=("meeting", "version"), name="meeting_change_once_a_version"
            ),
        ),
        migrations.RunSQL(STAND, UNSTAND),
    ]
