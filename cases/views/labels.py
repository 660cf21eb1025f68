"""The sheet of QR labels for components, as a PDF to print."""

from collections.abc import Callable, Iterable
from typing import Any

import segno
from django.template.loader import render_to_string

from cases.models import Component

A_PAGE = 24
AT_ONCE = 20 * A_PAGE  # takes a few seconds


def label_sheet(components: Iterable[Component], address_of: Callable[[Component], str]) -> bytes:
    """Return a PDF, A4, 24 labels a page; each QR code holds the address of its component."""
    # Importing it takes a second, which every other command would pay too.
    from weasyprint import HTML  # noqa: PLC0415
    from weasyprint.urls import URLFetcher  # noqa: PLC0415

    labels = [
        {"component": component, "qr": _qr(address_of(component))} for component in components
    ]
    pages = [labels[first : first + A_PAGE] for first in range(0, len(labels), A_PAGE)]
    text = render_to_string("cases/component/labels.html", {"pages": pages})
    fetcher = URLFetcher(allowed_protocols={"data"})  # the codes are in the page itself
    pdf: Any = HTML(string=text, url_fetcher=fetcher).write_pdf()
    return bytes(pdf)


def _qr(address: str) -> str:
    """Return the QR code as a data address: error level H, as it stands outdoors for years."""
    return segno.make_qr(address, error="h").png_data_uri(scale=1, border=0)
