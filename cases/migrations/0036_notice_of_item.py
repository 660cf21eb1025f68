"""Tell the people of a unit of what the scheduling meeting decides for it."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0035_place_and_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="notice",
            name="notice_of_period_known",
        ),
        migrations.AddConstraint(
            model_name="notice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("period", ""), ("told", "")),
                    models.Q(
                        ("period__gt", ""),
                        (
                            "told__in",
                            [
                                "answered",
                                "closed",
                                "item",
                                "item_asked",
                                "item_back",
                                "item_done",
                                "item_dropped",
                                "objected",
                                "published",
                                "reissued",
                                "returned",
                                "submitted",
                            ],
                        ),
                    ),
                    _connector="OR",
                ),
                name="notice_of_period_known",
            ),
        ),
    ]
