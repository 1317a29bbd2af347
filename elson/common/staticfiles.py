"""Static files with hashed names, also inside JavaScript modules."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ModuleManifestStorage(CompressedManifestStaticFilesStorage):
    """Hash names and rewrite `import … from` so that modules may be cached for ever."""

    support_js_module_import_aggregation = True
