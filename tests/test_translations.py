"""zh-Hans is complete."""

import polib

CATALOGUE = "cases/locale/zh_Hans/LC_MESSAGES/django.po"


def test_every_message_has_its_chinese():
    catalogue = polib.pofile(CATALOGUE)

    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []
    assert [entry.msgid for entry in catalogue.obsolete_entries()] == []


def test_placeholders_survive_translation():
    for entry in polib.pofile(CATALOGUE):
        for word in ("%(at)s", "%(minutes)d", "%(limit)s", "%(name)s", "%d"):
            if not entry.msgid_plural:
                assert (word in entry.msgid) == (word in entry.msgstr), entry.msgid
