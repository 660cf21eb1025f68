"""Find what came back by place and time at once; places alone hold too many cases."""

from django.contrib.postgres.indexes import GistIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0034_notice_of_period")]

    operations = [
        migrations.AddIndex(
            "case",
            GistIndex(
                models.F("point"),
                models.F("filed_at"),
                models.F("closed_at"),
                name="case_place_time",
            ),
        ),
        migrations.RemoveIndex("case", "case_point"),
    ]
