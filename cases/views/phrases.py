"""Ready phrases for the note of a report, by what is wrong."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# By code of the problem class; a class the city has added has none.
_PHRASES: dict[str, tuple[str | Promise, ...]] = {
    "hazard": (_("People could get hurt"), _("Fenced off for now"), _("Traffic is in danger")),
    "damage": (_("Broken"), _("Part of it is missing"), _("It is loose")),
    "dirty": (_("Much of it"), _("It smells"), _("It has lain here for days")),
    "abandoned": (_("Blocks the pavement"), _("Blocks the way out"), _("Nobody claims it")),
    "unapproved": (_("They are here now"), _("Blocks the pavement"), _("Here again and again")),
    "wrong_content": (_("Can be read from the road"), _("A phone number is on it")),
    "plant": (_("A branch may fall"), _("Hides a sign or a lamp"), _("Withered")),
    "leak": (_("Flows onto the road"), _("It smells"), _("Freezes on the road")),
    "service_hours": (_("Loud"), _("Work goes on now")),
    "outage": (_("One lamp"), _("A whole stretch"), _("Off and on")),
    "other": (_("Here again and again"), _("Neighbours complain")),
}


def ready_phrases() -> dict[str, list[str]]:
    """Return the phrases in the reader's language, by code of the problem class."""
    return {code: [str(phrase) for phrase in phrases] for code, phrases in _PHRASES.items()}
