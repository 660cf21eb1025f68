"""Bodies as the API reads them."""

from collections.abc import Mapping
from typing import IO, Any

from django.core.files.base import ContentFile
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from cases.services.photos import MAX_BYTES


class JSONParser(parsers.JSONParser):
    """Answers 400, not an error of ours, to a body nested too deeply to read."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the body; raises ParseError."""
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


class PhotoParser(parsers.BaseParser):
    """Reads a photo that is the whole body, as the file `file`; no more of it than may be kept."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> "parsers.DataAndFiles[Any, Any]":
        """Return the file."""
        file = ContentFile(stream.read(MAX_BYTES + 1))
        return parsers.DataAndFiles({}, {"file": file})
