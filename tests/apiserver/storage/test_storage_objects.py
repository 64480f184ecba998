"""The object store: keys and values as Kubernetes has them, optimistic writes, pages of one revision."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.errors import StatusError
from apiserver.storage import ObjectStore, Position, Stored, decode_continue, encode_value
from apiserver.storage.pages import encode_continue


def make(name: str, namespace: str = "default", **fields: object) -> dict:
    return {"kind": "Thing", "apiVersion": "v1", "metadata": {"name": name, "namespace": namespace}, **fields}


@pytest.fixture
def store(kv) -> ObjectStore:
    return ObjectStore(kv, "/registry/things")


async def test_an_object_lies_where_kubernetes_would_put_it(kv, store):
    created = await store.create("default", "a", encode_value(make("a", data={"k": "v"})))
    assert created.obj["metadata"]["resourceVersion"] == str(created.revision)
    found = (await kv.get(b"/registry/things/default/a")).kv
    assert json.loads(found.value) == make("a", data={"k": "v"}), "no resourceVersion is stored"
    assert (await store.find("default", "a")).obj == created.obj
    assert await store.find("default", "b") is None


async def test_creating_what_is_there_changes_nothing(store):
    first = await store.create("default", "a", encode_value(make("a")))
    assert await store.create("default", "a", encode_value(make("a", x=1))) is None
    assert (await store.find("default", "a")).revision == first.revision


async def test_of_two_writes_on_one_revision_the_second_is_refused(store):
    base = await store.create("default", "a", encode_value(make("a")))
    won = await store.replace(base, encode_value(make("a", x=1)))
    assert won.revision > base.revision
    assert await store.replace(base, encode_value(make("a", x=2))) is None
    assert await store.remove(base) is None
    gone = await store.remove(won)
    assert gone.revision > won.revision, "a deletion has a revision of its own"
    assert gone.obj["x"] == 1
    assert await store.replace(won, encode_value(make("a"))) is None, "what is gone does not come back by an update"


async def test_neighbours_with_a_common_beginning_are_not_listed(kv, store):
    await kv.put(b"/registry/thingsandmore/default/x", b"{}")
    await store.create("default", "a", encode_value(make("a")))
    await store.create("default2", "b", encode_value(make("b", "default2")))
    assert [each.obj["metadata"]["name"] for each in (await store.list()).items] == ["a", "b"]
    assert [each.obj["metadata"]["name"] for each in (await store.list("default")).items] == ["a"]


async def test_every_object_is_on_exactly_one_page(store):
    for number in range(10):
        await store.create("default", f"o{number}", encode_value(make(f"o{number}", odd=number % 2)))
    for limit in range(1, 12):
        for accepts in (None, lambda each: each.obj["odd"] == 1):
            names, position = [], None
            while True:
                page = await store.list("default", limit=limit, position=position, accepts=accepts)
                names += [each.obj["metadata"]["name"] for each in page.items]
                assert len(page.items) <= limit
                if not page.token:
                    break
                position = decode_continue(page.token)
                if accepts is None:
                    assert page.remaining == 10 - len(names)
                else:
                    assert page.remaining is None, "with a selector nobody has counted"
            wanted = [f"o{n}" for n in range(10) if accepts is None or n % 2]
            assert names == wanted


async def test_the_token_is_the_one_kubernetes_gives(store):
    for name in ("a", "b"):
        await store.create("default", name, encode_value(make(name)))
    page = await store.list("default", limit=1)
    raw = json.loads(urlsafe_b64decode(page.token + "=="))
    assert raw == {"v": "meta.k8s.io/v1", "rv": page.revision, "start": "a\u0000"}


async def test_lists_at_revisions(kv, store):
    first = await store.create("default", "a", encode_value(make("a")))
    second = await store.create("default", "b", encode_value(make("b")))
    assert [each.obj["metadata"]["name"] for each in (await store.list(revision=first.revision)).items] == ["a"]
    with pytest.raises(StatusError) as future:
        await store.list(revision=second.revision + 1000)
    assert (future.value.code, future.value.details["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")
    await kv.compact(second.revision)
    with pytest.raises(StatusError) as gone:
        await store.list(revision=first.revision)
    assert (gone.value.code, gone.value.reason) == (410, "Expired")


async def test_a_page_that_is_too_old_says_how_to_go_on(kv, store):
    for name in ("a", "b", "c"):
        last = await store.create("default", name, encode_value(make(name)))
    page = await store.list("default", limit=1)
    await store.replace(last, encode_value(make("c", x=1)))
    await kv.compact(await store.revision())
    with pytest.raises(StatusError) as gone:
        await store.list("default", limit=1, position=decode_continue(page.token))
    onward = decode_continue(gone.value.continue_token)
    assert onward.revision == -1
    rest = await store.list("default", position=onward)
    assert [each.obj["metadata"]["name"] for each in rest.items] == ["b", "c"]


@pytest.mark.parametrize(
    "token",
    ["x", "%%%", "e30", "bnVsbA", "W10", "eyJ2IjoxfQ", "ä", "a" * 5000]
    + [encode_continue(Position(2**63, "a")), encode_continue(Position(True, "a"))],
)
def test_a_token_that_nobody_gave_out_is_a_bad_request(token: str):
    with pytest.raises(StatusError) as refused:
        decode_continue(token)
    assert refused.value.code == 400


KEYS = st.lists(st.text(min_size=1).filter(lambda part: "/" not in part and part not in (".", "..")), min_size=1)


@given(st.integers(1, 2**63 - 1) | st.just(-1), KEYS.map("/".join))
def test_tokens_survive_the_journey(revision: int, start: str):
    assert decode_continue(encode_continue(Position(revision, start))) == Position(revision, start)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(), JSON, max_size=3),
    st.dictionaries(st.text(), JSON, max_size=4),
    st.integers(1, 2**63 - 1),
)
def test_the_spliced_bytes_are_the_decoded_object(metadata: dict, fields: dict, revision: int):
    """Whatever is in the object: names with braces, a nested "metadata", an empty one."""
    obj = {**fields, "metadata": metadata}
    for text in ("kind", "apiVersion"):
        if text in obj:
            obj[text] = '"metadata":{' + str(obj[text])
    stored = Stored(b"k", encode_value(obj), revision)
    wanted = {"kind": "", "apiVersion": "", **obj, "metadata": {**metadata, "resourceVersion": str(revision)}}
    assert orjson.loads(stored.encoded) == wanted
    assert stored.obj == wanted
    assert stored.encoded.count(b'"resourceVersion":"%d"' % revision) >= 1
    assert orjson.loads(stored.at(7).encoded)["metadata"]["resourceVersion"] == "7"
