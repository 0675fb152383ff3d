"""What an operator reads when Redis cannot be used, or would not keep what it is given."""

from typing import Any

import pytest
from redis import Redis

from syncd.errors import Misconfigured, Unavailable
from syncd.targets import Target
from tests.servers import Servers
from tests.servers.redis_server import PASSWORD, RedisServer, redis_server
from tests.system.trouble import NOWHERE, assert_tells_only, checked, made, trouble

PHRASES = {
    "a wrong password": "does not accept the user or password",
    "no password": "Redis wants a password",
    "no write right": "the user in the url lacks a right",
    "a dead endpoint": "no answer (Error 111 connecting to 127.0.0.1:1. Connection refused.)",
    "a full memory": "Redis is full (maxmemory)",
    "a replica": "a read-only replica",
    "a cluster": "this is a Redis Cluster",
}


def full() -> Any:
    return redis_server("--maxmemory", "1")


def replica() -> Any:
    return redis_server("--replicaof", "127.0.0.1", "1")


def cluster() -> Any:
    return redis_server("--cluster-enabled", "yes")


@pytest.mark.parametrize("cause", PHRASES)
def test_redis_names_the_cause(servers: Servers, cause: str) -> None:
    kinds: dict[str, Any] = {"a full memory": full, "a replica": replica, "a cluster": cluster}
    server: RedisServer = servers.of(kinds.get(cause, redis_server))
    at = f"127.0.0.1:{server.port}"
    with Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "reader", "on", ">word", "~*", "+@read", "+ping", "+hello")
    urls = {
        "a wrong password": f"redis://:another@{at}",
        "no password": f"redis://{at}",
        "no write right": f"redis://reader:word@{at}",
        "a dead endpoint": f"redis://:word@{NOWHERE}",
    }
    error = trouble("redis", url=urls.get(cause, server.url))
    assert isinstance(error, Misconfigured if cause == "a cluster" else Unavailable)
    assert_tells_only(error, PHRASES[cause], PHRASES)
    assert PASSWORD not in str(error)
    assert "word@" not in str(error)


def test_check_warns_of_a_redis_that_is_set_up_as_a_cache(servers: Servers) -> None:
    def cache() -> Any:
        return redis_server("--maxmemory-policy", "allkeys-lru", "--appendonly", "no")

    warnings = {one.what: one.detail for one in checked(redis_at(servers.of(cache))) if one.warning}
    assert "throws documents away" in warnings["eviction"]
    assert "a restart loses everything" in warnings["persistence"]


def test_check_warns_of_a_redis_that_only_takes_snapshots(servers: Servers) -> None:
    def snapshots() -> Any:
        return redis_server("--appendonly", "no", "--save", "3600 1")

    warnings = {one.what: one.detail for one in checked(redis_at(servers.of(snapshots))) if one.warning}
    assert list(warnings) == ["persistence"]
    assert "snapshots only" in warnings["persistence"]


def test_the_rights_that_check_prints_are_enough_for_redis(servers: Servers) -> None:
    server = servers.of(redis_server)
    (told,) = (one.detail for one in checked(redis_at(server)) if one.what == "least privilege")
    with Redis.from_url(server.url) as admin:
        admin.execute_command(*told.replace(">PASSWORD", ">word").split())
    findings = checked(made("redis", url=f"redis://syncd:word@127.0.0.1:{server.port}", prefix="x"))
    assert [one for one in findings if not one.ok or one.warning] == []


def redis_at(server: RedisServer) -> Target:
    return made("redis", url=server.url, prefix="x")
