"""Channels out of the city, and their secrets, which the web process may write but not read."""

import django.db.models.deletion
from django.db import migrations, models

RIGHTS = """
    REVOKE SELECT ON cases_channelsecret FROM cityops_web;
    GRANT SELECT (channel_id) ON cases_channelsecret TO cityops_web;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0017_reconciler"),
    ]

    operations = [
        migrations.CreateModel(
            name="Channel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60, unique=True, verbose_name="name")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("wecom", "enterprise WeChat robot"),
                            ("dingtalk", "DingTalk robot"),
                            ("feishu", "Feishu robot"),
                            ("mail", "mail"),
                            ("webhook", "webhook"),
                            ("hotline", "12345 hotline"),
                        ],
                        max_length=10,
                        verbose_name="kind",
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("city", "whole city"),
                            ("hecheng", "hecheng"),
                            ("hightech", "hightech"),
                            ("landport", "landport"),
                            ("zhongfang", "zhongfang"),
                        ],
                        default="city",
                        max_length=20,
                        verbose_name="scope",
                    ),
                ),
                (
                    "audience",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("acceptor", "acceptor"),
                            ("duty_chief", "duty chief"),
                            ("dispatcher", "dispatcher"),
                            ("operator", "operator"),
                            ("unit", "responsible unit"),
                            ("unit_head", "head of unit"),
                            ("supervisor", "supervisor"),
                            ("assessor", "assessor"),
                        ],
                        help_text="empty: to anybody",
                        max_length=12,
                        verbose_name="what is told to",
                    ),
                ),
                (
                    "only_loud",
                    models.BooleanField(default=True, verbose_name="only what is urgent"),
                ),
                (
                    "address",
                    models.CharField(
                        blank=True,
                        help_text="https://… of another system, whose host CITYOPS_OUTSIDE_HOSTS names; the recipient of mail; nothing for a robot",
                        max_length=300,
                        verbose_name="address",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="failures in a row"
                    ),
                ),
                (
                    "rests_until",
                    models.DateTimeField(editable=False, null=True, verbose_name="rests until"),
                ),
                (
                    "last_sent_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="last sent"),
                ),
                (
                    "last_error",
                    models.CharField(
                        blank=True, editable=False, max_length=300, verbose_name="last error"
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        blank=True,
                        help_text="only what the people of this unit are told",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="cases.unit",
                        verbose_name="unit",
                    ),
                ),
            ],
            options={
                "verbose_name": "channel",
                "verbose_name_plural": "channels",
            },
        ),
        migrations.CreateModel(
            name="ChannelSecret",
            fields=[
                (
                    "channel",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        serialize=False,
                        to="cases.channel",
                    ),
                ),
                ("value", models.CharField(max_length=300)),
            ],
        ),
        migrations.AddConstraint(
            model_name="channel",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("scope__in", ("city", "hecheng", "hightech", "landport", "zhongfang"))
                ),
                name="channel_scope_known",
            ),
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
