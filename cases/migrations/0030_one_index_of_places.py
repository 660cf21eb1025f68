"""Drop the second of two like indexes of the places of cases and of components.

Django indexes a point by itself; the models name an index of their own beside it.
"""

import django.contrib.gis.db.models.fields
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cases", "0029_case_page")]

    operations = [
        migrations.AlterField(
            model_name="case",
            name="point",
            field=django.contrib.gis.db.models.fields.PointField(
                null=True, spatial_index=False, srid=4326
            ),
        ),
        migrations.AlterField(
            model_name="component",
            name="point",
            field=django.contrib.gis.db.models.fields.PointField(
                spatial_index=False, srid=4326, verbose_name="place"
            ),
        ),
    ]
