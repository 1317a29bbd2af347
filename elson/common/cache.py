"""The cache on any Redis topology."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient

from elson.common.redis import client_of


class ElsonRedisClient(RedisCacheClient):
    """Django's client, connected through the one topology parser."""

    _pools: dict[int, Any]
    _servers: list[str]

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        """Return the client; one server (or one cluster) serves reads and writes."""
        if not self._pools:
            self._pools[0] = client_of(self._servers[0])
        return self._pools[0]


class ElsonRedisCache(RedisCache):
    """Cache backend of CACHES: LOCATION is REDIS_URL in any of its forms."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._servers = [server]  # Django would split a cluster's host list at its commas
        self._class = ElsonRedisClient
