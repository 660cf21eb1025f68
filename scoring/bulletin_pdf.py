"""The bulletin as a PDF, on a page after GB/T 9704."""

import base64
from typing import Any

from django.template.loader import render_to_string

from scoring.bulletin import Bulletin
from scoring.bulletin_word import qr_png, word_context


def pdf_of(bulletin: Bulletin) -> bytes:
    """Return the PDF: the same bytes for the same bulletin."""
    # Importing it takes a second, which every other command would pay too.
    from weasyprint import HTML  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    qr = base64.b64encode(qr_png(bulletin)).decode()
    words = word_context(bulletin) | {
        "qr": f"data:image/png;base64,{qr}",
        "made": bulletin.dated.replace(microsecond=0).isoformat(),
    }
    text = render_to_string("scoring/bulletin_print.html", words)
    fetcher = URLFetcher(allowed_protocols={"data"})  # the code is in the page itself
    pdf: Any = HTML(string=text, url_fetcher=fetcher).write_pdf(
        pdf_identifier=bulletin.seal[:32].encode(), pdf_variant="pdf/ua-1"
    )
    return bytes(pdf)
