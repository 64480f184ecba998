"""Writes whose fate the store does not tell are settled by looking: once, and nobody's work is lost."""

from __future__ import annotations

import pytest

from apiserver.storage import settling
from apiserver.storage.settling import delete_settled, put_settled, read_settled
from kvcluster import Cluster
from kvcluster.errors import LeaderChangedError, RequestTimeoutError

KEY = b"/registry/configmaps/default/c"


class Unsure:
    """A client whose first write is answered with an error, before or after it was done."""

    def __init__(self, kv, *, done: bool, meanwhile=None, times: int = 1) -> None:
        self._kv, self._done, self._meanwhile, self._times = kv, done, meanwhile, times
        self.writes = 0

    async def _write(self, write):
        self.writes += 1
        if self.writes > self._times:
            return await write()
        if self._done:
            await write()
        if self._meanwhile is not None:
            await self._meanwhile()
        raise RequestTimeoutError

    async def put_if(self, key, value, **named):
        return await self._write(lambda: self._kv.put_if(key, value, **named))

    async def delete_if(self, key, **named):
        return await self._write(lambda: self._kv.delete_if(key, **named))

    async def get(self, key):
        return await self._kv.get(key)


@pytest.fixture
async def kv():
    async with Cluster(members=1) as store:
        yield store.client()


@pytest.mark.parametrize("done", [True, False])
async def test_a_creation_happens_once(kv, done):
    client = Unsure(kv, done=done)
    answer = await put_settled(client, KEY, b"{1}", mod_revision=0)
    found = (await kv.get(KEY)).kv
    assert (answer.succeeded, answer.revision, found.version) == (True, found.mod_revision, 1)
    assert client.writes == (1 if done else 2)


@pytest.mark.parametrize("done", [True, False])
async def test_a_change_happens_once(kv, done):
    before = await kv.put_if(KEY, b"{1}", mod_revision=0)
    answer = await put_settled(Unsure(kv, done=done), KEY, b"{2}", mod_revision=before.revision)
    found = (await kv.get(KEY)).kv
    assert (answer.succeeded, answer.revision, found.value, found.version) == (True, found.mod_revision, b"{2}", 2)


async def test_somebody_else_was_quicker(kv):
    before = await kv.put_if(KEY, b"{1}", mod_revision=0)
    client = Unsure(kv, done=False, meanwhile=lambda: kv.put(KEY, b"{other}"))
    answer = await put_settled(client, KEY, b"{2}", mod_revision=before.revision)
    assert not answer.succeeded
    assert (await kv.get(KEY)).kv.value == b"{other}"


@pytest.mark.parametrize("done", [True, False])
async def test_a_deletion_happens(kv, done):
    before = await kv.put_if(KEY, b"{1}", mod_revision=0)
    assert (await delete_settled(Unsure(kv, done=done), KEY, mod_revision=before.revision)).succeeded
    assert (await kv.get(KEY)).kv is None


async def test_a_read_is_done_again(kv):
    tries = 0

    async def read():
        nonlocal tries
        tries += 1
        if tries < 3:
            raise LeaderChangedError
        return await kv.get(KEY)

    assert (await read_settled(read)).kv is None
    assert tries == 3


async def test_what_cannot_be_settled_is_the_stores_error(kv, monkeypatch):
    monkeypatch.setattr(settling, "SETTLE_S", 0.0)
    with pytest.raises(RequestTimeoutError):
        await put_settled(Unsure(kv, done=False, times=9), KEY, b"{1}", mod_revision=0)
