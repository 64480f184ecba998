"""The small parts at the client's edges: endpoints, the map of errors, what may be repeated."""

from __future__ import annotations

import pytest

from kvcluster import errors
from kvcluster.client import Endpoint, RpcError, UnavailableError, parse_endpoints, prefix_end
from kvcluster.client.errors import error_of, error_of_reason, is_safe_to_repeat


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:2379", [Endpoint("127.0.0.1", 2379)]),
        ("localhost:22379", [Endpoint("localhost", 22379)]),
        ("store", [Endpoint("store", 2379)]),
        ("http://[::1]:2379/", [Endpoint("::1", 2379)]),
        ("http://a:1, b:2,,a:1", [Endpoint("a", 1), Endpoint("b", 2)]),
        (["http://a:1", "b:2,c:3"], [Endpoint("a", 1), Endpoint("b", 2), Endpoint("c", 3)]),
    ],
)
def test_endpoints(text: str | list[str], expected: list[Endpoint]):
    assert parse_endpoints(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unix:///run/etcd.sock", "only http://host:port"),
        ("http://a:port", "endpoint http://a:port: "),
        ("http://a:0", "expected http://host:port"),
        ("http://a:70000", "endpoint http://a:70000: "),
        ("http://a:1/v3", "expected http://host:port"),
        ("http://user@a:1", "expected http://host:port"),
        (" , ", "no endpoint given"),
        ([], "no endpoint given"),
    ],
)
def test_endpoints_that_cannot_be_used(text: str | list[str], said: str):
    with pytest.raises(errors.ConfigError, match=said):
        parse_endpoints(text)


def test_an_endpoint_as_text():
    assert str(Endpoint("::1", 2379)) == "http://[::1]:2379"
    assert Endpoint("a", 1).authority == "a:1"


def test_the_text_names_the_error():
    error = error_of(11, "etcdserver: mvcc: required revision has been compacted")
    assert type(error) is errors.CompactedError
    timeout = error_of(14, "etcdserver: request timed out, possibly due to previous leader failure")
    assert type(timeout) is errors.RequestTimeoutError and "previous leader" in str(timeout)


def test_a_new_text_is_classed_by_its_code():
    assert type(error_of(12, "unknown service x")) is errors.UnimplementedError
    assert type(error_of(4, "context deadline exceeded")) is TimeoutError
    assert type(error_of(14, "the server is shutting down")) is UnavailableError
    refused = error_of(9, "etcdserver: not capable")
    assert type(refused) is RpcError and refused.code == 9 and str(refused) == "etcdserver: not capable"
    assert type(error_of(8, "grpc: received message larger than max (9 vs. 2)")) is errors.RequestTooLargeError


def test_every_named_error_of_etcd_comes_back_by_its_text():
    """But those that no server answers with a text of their own."""
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, errors.EtcdError) and cls.text:
            assert type(error_of(2, cls.text)) is cls


def test_why_a_watch_was_cancelled():
    compacted = error_of_reason("", 7)
    assert isinstance(compacted, errors.CompactedError) and compacted.compact_revision == 7
    assert type(error_of_reason("etcdserver: mvcc: required revision has been compacted", 0)) is errors.CompactedError
    assert type(error_of_reason("mvcc: watcher range is empty", 0)) is errors.WatchRangeEmptyError
    unknown = error_of_reason("because", 0)
    assert type(unknown) is errors.WatchCanceledError and str(unknown) == "because"


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (errors.ConnectionLostError(maybe_done=False), True, True),
        (errors.ConnectionLostError(maybe_done=True), True, False),
        (errors.LeaderChangedError(), True, False),
        (errors.RequestTimeoutError(), True, False),
        (UnavailableError("x", code=14), True, False),
        (errors.NoLeaderError(), True, True),
        (errors.ProposalDroppedError(), False, True),
        (errors.CompactedError(), False, False),
        (RpcError("x", code=13), False, False),
    ],
)
def test_what_may_be_repeated(error: Exception, read: bool, write: bool):
    assert (is_safe_to_repeat(error, is_read=True), is_safe_to_repeat(error, is_read=False)) == (read, write)


def test_the_end_of_a_prefix():
    assert prefix_end(b"a") == b"b"
    assert prefix_end(b"a\xff") == b"b"
    assert prefix_end(b"\xff\xff") == b"\x00"
    assert prefix_end(b"") == b"\x00"
