"""Component tags: each fills one partial in templates/components/; /staff/ui/ shows them all."""

# Importing a module registers its tags.
from elson.common.templatetags.components import drawings, forms, frames, plans, shell, words
from elson.common.templatetags.components.library import register

__all__ = ["drawings", "forms", "frames", "plans", "register", "shell", "words"]
