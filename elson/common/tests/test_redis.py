from __future__ import annotations

import pytest
from django.conf import settings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from elson.common.redis import broker_url_of, channel_layer_settings, client_of, topology_of


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "database"),
    [
        ("redis://h:6380/3", "single", (("h", 6380),), 3),
        ("redis://h", "single", (("h", 6379),), 0),
        ("rediss://h:6380/1", "single", (("h", 6380),), 1),
        ("redis://[::1]:6380/0", "single", (("::1", 6380),), 0),
        ("redis://[::1]/0", "single", (("::1", 6379),), 0),
        ("sentinel://a,b:26380/2?master_name=m", "sentinel", (("a", 26379), ("b", 26380)), 2),
        ("cluster://a:7000,b:7001", "cluster", (("a", 7000), ("b", 7001)), 0),
    ],
)
def test_topology_is_read_from_the_url(url, kind, hosts, database):
    topology = topology_of(url)

    assert (topology.kind, topology.hosts, topology.database) == (kind, hosts, database)


def test_topology_of_a_socket_names_its_path_and_database():
    topology = topology_of("redis+socket:///run/elson/redis.sock?db=4")

    assert (topology.kind, topology.path, topology.database) == (
        "socket",
        "/run/elson/redis.sock",
        4,
    )


def test_password_may_hold_any_character():
    topology = topology_of("redis://elson:p%40ss%2Fword@h:6379/0")

    assert (topology.username, topology.password) == ("elson", "p@ss/word")


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://h:6380/3", "redis://h:6380/3"),
        ("redis+socket:///a/b.sock", "redis+socket:///a/b.sock?virtual_host=0"),
        ("sentinel://a,b:26380/2?master_name=m", "sentinel://a:26379/2;sentinel://b:26380/2"),
        ("sentinel://u:p%40@a/2?master_name=m", "sentinel://u:p%40@a:26379/2"),
    ],
)
def test_broker_url_is_in_the_words_of_celery(url, broker):
    assert broker_url_of(url) == broker


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("redis://h:6380/3", "redis://h:6380/3"),
        ("redis+socket:///a/b.sock?db=2", {"address": "unix:///a/b.sock?db=2"}),
        ("cluster://a:7000,b:7001", "redis://a:7000/0"),
        ("sentinel://a/0?master_name=m", {"sentinels": [("a", 26379)], "master_name": "m"}),
    ],
)
def test_channel_layer_takes_every_topology(url, host):
    assert channel_layer_settings(url)["CONFIG"]["hosts"] == [host]


def test_client_talks_to_the_real_server():
    client = client_of(settings.REDIS_URL)

    client.set("elson-test", "1", ex=5)

    assert client.get("elson-test") == b"1"
    client.close()


def test_frozen_server_costs_one_time_limit(frozen_server):
    client = client_of(frozen_server.url, timeout=0.05)

    with pytest.raises(RedisTimeout):
        client.ping()

    assert frozen_server.n_callers() == 1  # asked again, it would cost the limit again
    client.close()


def test_time_limit_is_half_a_second_where_none_is_given():
    pool = client_of("redis://h").connection_pool

    assert {pool.connection_kwargs[f"socket_{of}timeout"] for of in ("", "connect_")} == {0.5}


def test_absent_server_is_refused_and_not_waited_for(unused_port):
    client = client_of(f"redis://127.0.0.1:{unused_port}/0")

    with pytest.raises(RedisConnectionError):  # which RedisTimeout is not
        client.ping()

    client.close()
