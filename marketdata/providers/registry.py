"""Sources of historical bars by name, for `import_bars --source`."""

from __future__ import annotations

from collections.abc import Callable

from marketdata.providers.base import Provider, ProviderRejected
from marketdata.providers.embedded import EmbeddedProvider

PROVIDERS: dict[str, Callable[[], Provider]] = {EmbeddedProvider.name: EmbeddedProvider}


def provider_named(name: str) -> Provider:
    """Make the provider; raises ProviderRejected listing the known names."""
    try:
        return PROVIDERS[name]()
    except KeyError as error:
        known = ", ".join(sorted(PROVIDERS))
        raise ProviderRejected(f"There is no source {name!r}; known are {known}.") from error
