"""Redis topology from one URL: single, Unix socket, Sentinel or Cluster."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

# Nothing waits longer than this for Redis: the order path does not need it, pages degrade.
TIMEOUT_SECONDS = 0.5


@dataclass(frozen=True)
class Topology:
    """What a REDIS_URL says: kind, where, which database, which password."""

    kind: str
    hosts: tuple[tuple[str, int], ...]
    path: str
    database: int
    username: str | None
    password: str | None
    master_name: str
    is_tls: bool


def topology_of(url: str) -> Topology:
    """Parse redis://, rediss://, redis+socket://, sentinel://…?master_name= or cluster://."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    database = (
        query.get("db", ["0"])[0] if parts.scheme == "redis+socket" else parts.path.strip("/")
    )
    return Topology(
        kind={"redis": "single", "rediss": "single", "redis+socket": "socket"}.get(
            parts.scheme, parts.scheme
        ),
        hosts=_hosts(parts.netloc, 26379 if parts.scheme == "sentinel" else 6379),
        path=parts.path if parts.scheme == "redis+socket" else "",
        database=int(database or 0),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        master_name=query.get("master_name", [""])[0],
        is_tls=parts.scheme == "rediss",
    )


def _hosts(netloc: str, default_port: int) -> tuple[tuple[str, int], ...]:
    found = []
    for item in netloc.rpartition("@")[2].split(","):
        match = re.fullmatch(r"(\[[^\]]+\]|[^:]+)(?::(\d+))?", item)
        if match:
            found.append((match[1].strip("[]"), int(match[2] or default_port)))
    return tuple(found)


def client_of(url: str, *, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Client for any topology; every call gives up after `timeout` seconds."""
    topology = topology_of(url)
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "username": topology.username,
        "password": topology.password,
        # redis-py would try three more times with growing pauses: seconds instead of `timeout`.
        "retry": Retry(NoBackoff(), 0),
    }
    if topology.kind == "socket":
        return redis.Redis(unix_socket_path=topology.path, db=topology.database, **options)
    if topology.kind == "sentinel":
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            list(topology.hosts), socket_timeout=timeout
        )
        return sentinel.master_for(topology.master_name, db=topology.database, **options)
    host, port = topology.hosts[0]
    if topology.kind == "cluster":
        options.pop("retry")  # a cluster client has its own way of asking another node
        return RedisCluster(host=host, port=port, **options)
    return redis.Redis(host=host, port=port, db=topology.database, ssl=topology.is_tls, **options)


def channel_layer_settings(url: str) -> dict[str, Any]:
    """Channel-layer entry: the pub/sub layer heals after a Redis restart and works on a Cluster."""
    topology = topology_of(url)
    host: Any
    if topology.kind == "socket":
        host = {"address": f"unix://{topology.path}?db={topology.database}"}
    elif topology.kind == "sentinel":
        host = {"sentinels": list(topology.hosts), "master_name": topology.master_name}
    elif topology.kind == "cluster":
        host = "redis://{}:{}/0".format(*topology.hosts[0])
    else:
        host = url
    return {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [host], "prefix": "elson"},
    }


def broker_url_of(url: str) -> str:
    """Celery's form of a Redis URL: the socket path or the Sentinels as kombu writes them."""
    topology = topology_of(url)
    if topology.kind == "socket":
        return f"redis+socket://{topology.path}?virtual_host={topology.database}"
    if topology.kind == "sentinel":
        login = ""
        if topology.password:
            login = (
                f"{quote(topology.username or '', safe='')}:{quote(topology.password, safe='')}@"
            )
        return ";".join(
            f"sentinel://{login}{host}:{port}/{topology.database}" for host, port in topology.hosts
        )
    return url
