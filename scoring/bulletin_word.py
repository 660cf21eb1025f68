"""The bulletin as a Word file, from the template the office may edit."""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import segno
from django.template.defaultfilters import date as dated
from django.utils.translation import gettext as _
from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment

from cases.errors import InvalidInput
from scoring.bulletin import Bulletin
from scoring.periods import CITY_TIME

TEMPLATE_MAX = 2_000_000  # bytes
_UNPACKED_MAX = 20_000_000
_DAWN = (1980, 1, 1, 0, 0, 0)  # the time of every part, so that the same text is the same file
_QR_MM = 26
_IS_ENCRYPTED = 0x1  # flag of a part
# What filling in a template, a program of somebody else's in a file of theirs, may come to.
_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,  # of its XML too
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def printed(bulletin: Bulletin, template: bytes, shipped: bytes) -> tuple[bytes, bool]:
    """Return the .docx, and whether it was made with the template.

    With the shipped one, which says so, where the template cannot be filled in with this bulletin.
    """
    try:
        return word_of(bulletin, template), True
    except _FAULTS:
        said = _("The template of the office could not be filled in with this bulletin.")
        return word_of(replace(bulletin, notes=[*bulletin.notes, said]), shipped), False


def word_of(bulletin: Bulletin, template: bytes) -> bytes:
    """Return the .docx: the same bytes for the same bulletin and template."""
    # Importing them takes half a second, which every other command would pay too.
    from docx.shared import Mm  # noqa: PLC0415
    from docxtpl import DocxTemplate, InlineImage  # noqa: PLC0415

    document = DocxTemplate(io.BytesIO(template))
    words = word_context(bulletin)
    words["qr"] = InlineImage(document, io.BytesIO(qr_png(bulletin)), width=Mm(_QR_MM))
    # The office's template is a program of its own: it may fill in text, and nothing else.
    document.render(words, SandboxedEnvironment(), autoescape=True)
    said = document.docx.core_properties
    said.title, said.author, said.last_modified_by = bulletin.title, "cityops", "cityops"
    said.created = said.modified = bulletin.dated.replace(microsecond=0, tzinfo=None)
    said.comments = f"template SHA-256 {hashlib.sha256(template).hexdigest()}"
    said.revision = 1
    out = io.BytesIO()
    document.docx.save(out)
    return _fixed(out.getvalue())


def word_context(bulletin: Bulletin) -> dict[str, Any]:
    """Return the names a template may fill in (docs/bulletin.md)."""
    local = bulletin.as_of.astimezone(CITY_TIME)
    return {
        "title": bulletin.title,
        "period": bulletin.period_words,
        "stamp": bulletin.stamp,
        "draft": bulletin.stamp if bulletin.is_draft else "",
        "edition": bulletin.edition or "",
        "as_of": f"{local:%Y-%m-%d %H:%M}",
        "dated": dated(bulletin.dated.astimezone(CITY_TIME), "Y年n月j日"),
        "scheme": bulletin.scheme,
        "seal": bulletin.seal,
        "heads": ", ".join(f"{scope} {head}" for scope, head in bulletin.heads.items()),
        "paragraphs": [
            {"heading": one.heading, "text": one.text, "numbers": one.numbers}
            for one in bulletin.paragraphs
            if one.text
        ],
        "columns": bulletin.table_heads,
        "rows": [[cell.text for cell in row] for row in bulletin.rows],
        "notes": bulletin.notes,
        "annexes": [
            {"name": one.name, "heads": one.heads, "rows": one.rows, "total": len(one.rows)}
            for one in bulletin.annexes
        ],
        "sources": [
            {
                "no": one.no,
                "name": str(one.number.name),
                "value": one.number.value,
                "address": one.number.address,
            }
            for one in bulletin.origins
        ],
    }


def require_template(content: bytes, sample: Bulletin) -> None:
    """Raise InvalidInput unless a file is a template that can be filled in."""
    if len(content) > TEMPLATE_MAX:
        raise _refused(_("it is larger than %d MB") % (TEMPLATE_MAX // 1_000_000))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            _require_parts(parts)
        # Readers leave annexes out, and a month may have nothing to say.
        for one in (sample, replace(sample, annexes=[], paragraphs=[], notes=[])):
            word_of(one, content)
    except zipfile.BadZipFile as error:
        raise _refused(_("it is no Word file (.docx)")) from error
    except _FAULTS as error:
        why = str(error) or type(error).__name__
        raise _refused(_("it cannot be filled in: %s") % why) from error


def _require_parts(parts: zipfile.ZipFile) -> None:
    """Raise InvalidInput unless the parts of a package are those of a plain Word file."""
    from docx.oxml import parse_xml  # noqa: PLC0415  # half a second

    if any(part.flag_bits & _IS_ENCRYPTED for part in parts.infolist()):
        raise _refused(_("it is encrypted"))
    if sum(part.file_size for part in parts.infolist()) > _UNPACKED_MAX:
        raise _refused(_("unpacked it is too large"))
    if "word/document.xml" not in parts.namelist():
        raise _refused(_("it is no Word file (.docx)"))
    if any("vbaProject" in name for name in parts.namelist()):
        raise _refused(_("it holds macros"))
    for name in parts.namelist():
        if name.endswith(".rels") and any(
            str(one.get("TargetMode", "")).lower() == "external"
            for one in parse_xml(parts.read(name)).iter("{*}Relationship")
        ):
            raise _refused(_("it points outside: pictures, links or a template from elsewhere"))


def _refused(why: str) -> InvalidInput:
    return InvalidInput(_("The template was not kept."), fields={"template": why})


def qr_png(bulletin: Bulletin) -> bytes:
    """Return the QR code of the heads and the seal as a picture."""
    out = io.BytesIO()
    segno.make_qr(bulletin.code, error="m").save(out, kind="png", scale=4, border=2)
    return out.getvalue()


def _fixed(document: bytes) -> bytes:
    """Return a package with its parts in order and without the time it was made."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as parts, zipfile.ZipFile(out, "w") as kept:
        read: Mapping[str, bytes] = {name: parts.read(name) for name in parts.namelist()}
        first = ["[Content_Types].xml"]  # where readers look for it
        for name in [*first, *sorted(read.keys() - set(first))]:
            about = zipfile.ZipInfo(name, _DAWN)
            about.compress_type = zipfile.ZIP_DEFLATED
            kept.writestr(about, read[name])
    return out.getvalue()
