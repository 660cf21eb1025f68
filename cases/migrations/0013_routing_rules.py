import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0012_arbitrated_unit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="cityoptions",
            name="route_by_load",
            field=models.BooleanField(
                default=False, verbose_name="let rules that say so choose among equal units by load"
            ),
        ),
        migrations.AddField(
            model_name="responsibility",
            name="by_load",
            field=models.BooleanField(
                default=False,
                help_text="Counts while the city options allow it.",
                verbose_name="among equal units the one with the lowest load",
            ),
        ),
        migrations.AddField(
            model_name="responsibility",
            name="cell",
            field=models.CharField(blank=True, max_length=15, verbose_name="grid cell"),
        ),
        migrations.AddField(
            model_name="responsibility",
            name="severity",
            field=models.CharField(
                blank=True,
                choices=[
                    ("emergency_hour", "emergency hour"),
                    ("emergency_day", "emergency day"),
                    ("work_hour", "work hour"),
                    ("work_day", "work day"),
                ],
                max_length=16,
                verbose_name="severity",
            ),
        ),
        migrations.AddField(
            model_name="responsibility",
            name="source",
            field=models.CharField(
                blank=True,
                choices=[
                    ("inspector", "inspector"),
                    ("hotline", "12345 hotline"),
                    ("citizen", "citizen"),
                    ("leader", "leader's order"),
                    ("media", "media"),
                    ("system", "other system"),
                ],
                max_length=12,
                verbose_name="source",
            ),
        ),
        migrations.AddField(
            model_name="responsibility",
            name="working_time",
            field=models.CharField(
                blank=True,
                choices=[("inside", "inside working time"), ("outside", "outside working time")],
                max_length=7,
                verbose_name="working time",
            ),
        ),
        migrations.AlterField(
            model_name="responsibility",
            name="condition",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cases.condition",
                verbose_name="filing condition",
            ),
        ),
        migrations.AlterField(
            model_name="responsibility",
            name="district",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cases.district",
                verbose_name="district",
            ),
        ),
        migrations.AlterField(
            model_name="responsibility",
            name="minor",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cases.minorclass",
                verbose_name="minor class",
            ),
        ),
        migrations.AlterField(
            model_name="responsibility",
            name="problem_class",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cases.problemclass",
                verbose_name="problem class",
            ),
        ),
        migrations.AlterField(
            model_name="responsibility",
            name="unit",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="cases.unit",
                verbose_name="unit",
            ),
        ),
        migrations.CreateModel(
            name="RoutingDraft",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=80, verbose_name="title")),
                ("reason", models.CharField(max_length=400, verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "published_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="published"),
                ),
                (
                    "published_reason",
                    models.CharField(
                        blank=True, max_length=400, verbose_name="why it was published"
                    ),
                ),
                ("dropped_at", models.DateTimeField(blank=True, null=True, verbose_name="dropped")),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "dropped_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="dropped by",
                    ),
                ),
                (
                    "published_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="published by",
                    ),
                ),
            ],
            options={
                "verbose_name": "draft of routing rules",
                "verbose_name_plural": "drafts of routing rules",
                "ordering": ["-created_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="DraftRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(max_length=60, verbose_name="rule")),
                (
                    "rank",
                    models.CharField(
                        choices=[
                            ("owner", "owner"),
                            ("locality", "locality"),
                            ("fallback", "locality as the last resort"),
                        ],
                        max_length=10,
                        verbose_name="rank",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        blank=True,
                        choices=[("component", "component"), ("event", "event")],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "major_code",
                    models.CharField(blank=True, max_length=2, verbose_name="major class"),
                ),
                (
                    "severity",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("emergency_hour", "emergency hour"),
                            ("emergency_day", "emergency day"),
                            ("work_hour", "work hour"),
                            ("work_day", "work day"),
                        ],
                        max_length=16,
                        verbose_name="severity",
                    ),
                ),
                ("county", models.CharField(blank=True, max_length=6, verbose_name="county")),
                ("street_code", models.CharField(blank=True, max_length=9, verbose_name="street")),
                ("cell", models.CharField(blank=True, max_length=15, verbose_name="grid cell")),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("inspector", "inspector"),
                            ("hotline", "12345 hotline"),
                            ("citizen", "citizen"),
                            ("leader", "leader's order"),
                            ("media", "media"),
                            ("system", "other system"),
                        ],
                        max_length=12,
                        verbose_name="source",
                    ),
                ),
                (
                    "working_time",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("inside", "inside working time"),
                            ("outside", "outside working time"),
                        ],
                        max_length=7,
                        verbose_name="working time",
                    ),
                ),
                (
                    "unit_kind",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("urban_management", "urban-management brigade"),
                            ("sanitation", "sanitation"),
                            ("municipal", "municipal maintenance"),
                            ("landscaping", "landscaping"),
                            ("street_lamps", "street lamps"),
                            ("traffic_police", "traffic police"),
                            ("housing", "housing and construction"),
                            ("ecology", "ecology and environment"),
                            ("rivers", "rivers and waterways"),
                            ("market", "market supervision"),
                            ("health", "health"),
                            ("fire", "fire and rescue"),
                            ("street_office", "street or township office"),
                            ("water", "water supply"),
                            ("drainage", "drainage"),
                            ("power", "power supply"),
                            ("gas", "gas and heating"),
                            ("telecom", "telecom"),
                            ("bus", "public transport"),
                            ("post", "post and newspapers"),
                        ],
                        max_length=20,
                        verbose_name="kind of unit",
                    ),
                ),
                (
                    "by_load",
                    models.BooleanField(
                        default=False,
                        help_text="Counts while the city options allow it.",
                        verbose_name="among equal units the one with the lowest load",
                    ),
                ),
                ("reason_zh", models.CharField(max_length=80, verbose_name="reason (Chinese)")),
                ("reason_en", models.CharField(max_length=160, verbose_name="reason (English)")),
                (
                    "change",
                    models.CharField(
                        choices=[("add", "add"), ("replace", "replace"), ("remove", "remove")],
                        max_length=7,
                        verbose_name="change",
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                (
                    "base",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cases.responsibility",
                    ),
                ),
                (
                    "changed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                (
                    "condition",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cases.condition",
                        verbose_name="filing condition",
                    ),
                ),
                (
                    "district",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cases.district",
                        verbose_name="district",
                    ),
                ),
                (
                    "minor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cases.minorclass",
                        verbose_name="minor class",
                    ),
                ),
                (
                    "problem_class",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cases.problemclass",
                        verbose_name="problem class",
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cases.unit",
                        verbose_name="unit",
                    ),
                ),
                (
                    "draft",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rules",
                        to="cases.routingdraft",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a rule",
                "verbose_name_plural": "changes of rules",
                "ordering": ["code"],
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="responsibility",
            name="draft",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="cases.routingdraft",
                verbose_name="brought by the draft",
            ),
        ),
        migrations.AddConstraint(
            model_name="routingdraft",
            constraint=models.CheckConstraint(
                condition=models.Q(("published_at", None), ("dropped_at", None), _connector="OR"),
                name="draft_ends_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="routingdraft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("published_at", None), ("published_by", None)),
                    models.Q(
                        ("published_at__isnull", False),
                        ("published_by__isnull", False),
                        models.Q(("published_reason", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="draft_published_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="routingdraft",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("dropped_at", None), ("dropped_by", None)),
                    models.Q(("dropped_at__isnull", False), ("dropped_by__isnull", False)),
                    _connector="OR",
                ),
                name="draft_dropped_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="draftrule",
            constraint=models.UniqueConstraint(
                fields=("draft", "code"), name="draft_changes_a_rule_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="draftrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("base", None), ("change", "add")),
                    models.Q(("base__isnull", False), ("change__in", ["replace", "remove"])),
                    _connector="OR",
                ),
                name="draft_knows_what_it_changes",
            ),
        ),
        migrations.AddConstraint(
            model_name="draftrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("unit__isnull", True), ("unit_kind__gt", "")),
                    models.Q(("unit__isnull", False), ("unit_kind", "")),
                    _connector="OR",
                ),
                name="draftrule_names_unit_or_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="draftrule",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("major_code", ""), models.Q(("kind", ""), _negated=True), _connector="OR"
                ),
                name="draftrule_major_has_kind",
            ),
        ),
    ]
