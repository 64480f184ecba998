"""How many of our own Python calls the hot paths take. Counted, not timed: the count is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from kvcluster.wire import BIDI, UNARY, Method, frames
from kvcluster.wire.stream import Stream


def count_calls(run: Callable[[], object]) -> list[str]:
    """The names of kvcluster.wire's functions that `run` calls, in order."""
    names: list[str] = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith("kvcluster.wire"):
            names.append(frame.f_code.co_name)

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return names


def test_a_request_reaches_its_handler_in_six_calls(raw: Any):
    reached: list[Any] = []
    client = raw()
    client.server._methods = {b"/toy/Put": Method(UNARY, lambda call, payload: reached.append(call))}
    client.start()
    client.send(client.head(1, "/toy/Put"), client.message(1, b"x" * 256))
    request = client.head(3, "/toy/Put") + client.message(3, b"x" * 256)
    names = count_calls(lambda: client.server.receive(request))
    assert len(reached) == 2
    assert len(names) <= 6, names

    names = count_calls(lambda: reached[1].reply(b"header", b"body"))
    assert len(names) <= 9, names
    assert len(client.take()) == 3


def test_a_stream_message_goes_out_in_three_calls_and_a_large_one_is_not_copied(raw: Any, toy: Any):
    client = raw().start({frames.INITIAL_WINDOW_SIZE: 1_000_000})
    client.send(client.head(1, "/toy/Chat"))
    call = toy.calls[0]
    call.send(b"first" * 1000)
    shared = b"event" * 1000
    names = count_calls(lambda: call.send(b"header", b"id", shared))
    assert len(names) <= 3, names
    assert any(piece is shared for piece in client.server.take_output())
    assert toy.methods[b"/toy/Chat"].kind == BIDI


def test_messages_of_a_turn_share_frames(raw: Any, toy: Any):
    """A hundred watchers on a stream: two calls each, and a frame for as many as fit into one."""
    client = raw().start({frames.INITIAL_WINDOW_SIZE: 1_000_000})
    client.send(client.head(1, "/toy/Chat"))
    call = toy.calls[0]
    call.send(b"first")
    client.take()
    names = count_calls(lambda: [call.send(b"header", b"%d" % number, b"event" * 60) for number in range(100)])
    assert len(names) <= 2 * 100 + 10, names
    sent = client.take()
    assert [len(frame.payload) <= frames.DEFAULT_FRAME_SIZE for frame in sent] == [True, True]
    stream = Stream()
    messages = [message for frame in sent for message in stream.take_messages(frame.payload, 10**6)]
    assert messages == [b"header%d" % number + b"event" * 60 for number in range(100)]


def test_a_large_message_is_cut_without_copies(raw: Any, toy: Any):
    """8 MB through windows of 64 KB: the queue holds views of one message, not ever shorter copies of it."""
    client = raw().start()
    client.send(client.head(1, "/toy/Chat"))
    toy.calls[0].send(bytes(8_000_000))
    sent = 0
    for _ in range(10):
        client.server.receive(frames.window_update(0, 65_535) + frames.window_update(1, 65_535))
        pieces = client.server.take_output()
        sent += sum(len(piece) for piece in pieces)
        assert all(isinstance(piece, memoryview) for piece in pieces if len(piece) > 100)
    assert sent > 600_000
