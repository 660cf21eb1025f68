"""What a case is found by in the text search, written by the database.

A trigger, because then no way of writing a case can forget it: the ledger, a simulation's COPY,
the erasing of personal data. It writes a table of its own, so that the many changes of a case
that leave its text alone do not touch the index. The initials are made by a function instead of
pypinyin, whose dictionary takes 60 MB in every process that loads it.
"""

import json
from pathlib import Path

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

LETTERS = Path(__file__).parents[1] / "data/pinyin/initials.txt"

# In PL/pgSQL, which keeps its plans for a session; a function in SQL is planned in every transaction.
FUNCTIONS = """
    CREATE FUNCTION cases_initials(words text) RETURNS text
      LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
      BEGIN
        RETURN (
          SELECT string_agg(coalesce('{letters}'::jsonb ->> c, c), '' ORDER BY place)
          FROM unnest(string_to_array(lower(words), NULL)) WITH ORDINALITY AS u (c, place));
      END
      $$;
    CREATE FUNCTION cases_grams(words text) RETURNS text[]
      LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
      DECLARE
        letters text[] := string_to_array(words, NULL);
      BEGIN
        RETURN (
          SELECT coalesce(array_agg(DISTINCT letters[place] || letters[place + 1]), '{{}}')
          FROM generate_series(1, cardinality(letters) - 1) AS place);
      END
      $$;
    CREATE FUNCTION cases_words(address text, description text) RETURNS text
      LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
      BEGIN
        RETURN lower(concat_ws(' ', address, description, cases_initials(address)));
      END
      $$;
    CREATE FUNCTION cases_write_words() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        said text := cases_words(NEW.address, NEW.description);
      BEGIN
        INSERT INTO cases_casewords (case_id, text, grams)
          VALUES (NEW.id, said, cases_grams(said))
          ON CONFLICT (case_id) DO UPDATE SET text = excluded.text, grams = excluded.grams;
        RETURN NULL;
      END
      $$;
    CREATE TRIGGER case_words AFTER INSERT OR UPDATE OF address, description ON cases_case
      FOR EACH ROW EXECUTE FUNCTION cases_write_words();
    INSERT INTO cases_casewords (case_id, text, grams)
      SELECT id, said, cases_grams(said)
      FROM (SELECT id, cases_words(address, description) AS said FROM cases_case OFFSET 0) AS c;
"""
GONE = """
    DROP TRIGGER case_words ON cases_case;
    DROP FUNCTION cases_write_words, cases_grams, cases_words, cases_initials;
"""


def letters() -> str:
    """Return {"啊": "a", …} as JSON."""
    lines = LETTERS.read_text("utf-8").splitlines()
    found = {c: line[0] for line in lines if not line.startswith("#") for c in line[2:]}
    return json.dumps(found, ensure_ascii=False)


def make(apps, schema_editor):
    schema_editor.execute(FUNCTIONS.format(letters=letters()))


class Migration(migrations.Migration):
    dependencies = [("cases", "0004_demo_month")]

    operations = [
        migrations.CreateModel(
            name="CaseWords",
            fields=[
                (
                    "case",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="words",
                        serialize=False,
                        to="cases.case",
                    ),
                ),
                ("text", models.TextField()),
                (
                    "grams",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2), size=None
                    ),
                ),
            ],
        ),
        migrations.RunPython(
            make, lambda apps, schema_editor: schema_editor.execute(GONE), elidable=False
        ),
        migrations.AddIndex(
            model_name="casewords",
            index=django.contrib.postgres.indexes.GinIndex(fields=["grams"], name="case_grams"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(models.F("reported_at"), models.F("id"), name="case_reported"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(models.F("lamp_due_at"), models.F("id"), name="case_due"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                models.OrderBy(models.F("closed_at"), descending=True, nulls_last=True),
                models.OrderBy(models.F("id"), descending=True),
                name="case_closed",
            ),
        ),
    ]
