"""Static files with hashed names, the imports of our ES modules included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage

_IMPORTS = ManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]  # type: ignore[attr-defined]  # not in the stubs
_OURS = ("cases/*.js", "cityops/*.js", "scoring/*.js")


class ModuleManifestStorage(ManifestStaticFilesStorage):
    """Hashes names and rewrites `import` paths to the hashed ones, in our own modules only.

    Other packages ship modules whose imports their own build tools resolve; Django's switch for
    all files, `support_js_module_import_aggregation`, stumbles over those.
    """

    patterns = (
        *ManifestStaticFilesStorage.patterns,
        *((files, _IMPORTS) for files in _OURS),
    )
