from django.db import migrations

# A file's word was not bounded before: a page that tells of such a year cannot be shown.
FORGET = """
    UPDATE cases_attachment SET taken_at = NULL
    WHERE extract(year FROM taken_at) NOT BETWEEN 1970 AND 2100
"""


class Migration(migrations.Migration):
    dependencies = [
        ("cases", "0022_support"),
    ]

    operations = [
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
    ]
