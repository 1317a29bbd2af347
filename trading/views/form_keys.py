"""The key that makes one thing of however many clicks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping


def form_key(client_key: str, posted: Mapping[str, str]) -> str:
    """Return one key per form and content; "" without the form's own.

    A second click is the same request; going back, changing a value and sending again is another.
    """
    if not client_key:
        return ""
    values = sorted(item for item in posted.items() if item[0] != "csrfmiddlewaretoken")
    return hashlib.sha256(json.dumps([client_key, values]).encode()).hexdigest()
