"""An effect stands in one state, belongs to a scope, and what people rule about it is kept."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

STATES = [
    ("due", "to be done"),
    ("done", "done"),
    ("dead", "given up"),
    ("needs_review", "outcome unknown"),
    ("discarded", "discarded"),
]
SCOPES = ["", "city", "hecheng", "hightech", "landport", "zhongfang"]

CARRY_OVER = """
    UPDATE cases_effect e
    SET state = CASE WHEN done_at IS NOT NULL THEN 'done' WHEN dead THEN 'dead' ELSE 'due' END,
      scope = coalesce((SELECT scope FROM cases_case c WHERE c.id = e.case_id), ''),
      published_at = CASE WHEN done_at IS NULL AND NOT dead THEN published_at END
"""
CARRY_BACK = "UPDATE cases_effect SET dead = state IN ('dead', 'needs_review', 'discarded')"
RIGHTS = """
    REVOKE UPDATE, DELETE, TRUNCATE ON cases_effectruling FROM cityops_web, cityops_system;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0013_routing_rules"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="effect", name="effect_done_or_dead"),
        migrations.RemoveIndex(model_name="effect", name="effect_due"),
        migrations.AddField("effect", "due_at", models.DateTimeField(null=True)),
        migrations.AddField("effect", "parked_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "effect",
            "scope",
            models.CharField(blank=True, max_length=20, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            "effect", "state", models.CharField(choices=STATES, default="due", max_length=12)
        ),
        migrations.RunSQL(CARRY_OVER, CARRY_BACK),
        migrations.RemoveField(model_name="effect", name="dead"),
        migrations.AddIndex(
            "effect",
            models.Index(
                *("queue", "scope", "urgency", "due_at", "next_at"),
                name="effect_due",
                condition=models.Q(state="due"),
            ),
        ),
        migrations.AddIndex(
            "effect",
            models.Index(
                *("queue", "scope", "next_at"),
                name="effect_in_flight",
                condition=models.Q(state="due", published_at__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "effect",
            models.Index(
                "claimed_until",
                name="effect_claimed",
                condition=models.Q(state="due", claimed_until__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "effect",
            models.Index(
                *("scope", "state", "kind"),
                name="effect_open",
                condition=models.Q(("state", "done"), _negated=True),
            ),
        ),
        migrations.AddConstraint(
            "effect",
            models.CheckConstraint(condition=models.Q(scope__in=SCOPES), name="effect_scope_known"),
        ),
        migrations.AddConstraint(
            "effect",
            models.CheckConstraint(
                condition=models.Q(state="done", done_at__isnull=False)
                | models.Q(
                    state__in=["due", "dead", "needs_review", "discarded"], done_at__isnull=True
                ),
                name="effect_done_at_when_done",
            ),
        ),
        migrations.CreateModel(
            name="EffectRuling",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "ruling",
                    models.CharField(
                        choices=[("redrive", "run again"), ("discard", "discard")],
                        max_length=8,
                        verbose_name="ruling",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("state", models.CharField(choices=STATES, max_length=12)),
                ("runs", models.PositiveIntegerField()),
                ("error", models.TextField(blank=True)),
                (
                    "by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "effect",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="cases.effect"
                    ),
                ),
            ],
            options={
                "verbose_name": "ruling on an effect",
                "verbose_name_plural": "rulings on effects",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("effect", "runs"),
                        condition=models.Q(state__in=("dead", "needs_review")),
                        name="ruling_once_a_run",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("ruling", "redrive"),
                            models.Q(("reason", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="ruling_discard_says_why",
                    ),
                ],
            },
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
