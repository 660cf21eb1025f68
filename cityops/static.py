"""Static files with hashed names, ES module imports included."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ModuleManifestStorage(ManifestStaticFilesStorage):
    """Hashes names and rewrites `import` paths of our ES modules to the hashed ones."""

    support_js_module_import_aggregation = True
