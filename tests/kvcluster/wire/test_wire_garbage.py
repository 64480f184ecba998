"""Bytes from anybody: how they are cut never matters, and what they are never raises."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kvcluster.wire import BIDI, PREFACE, UNARY, ClientConnection, Method, Outcome, ServerConnection, WireLimits, frames
from kvcluster.wire.blocks import encode_block
from kvcluster.wire.frames import DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, frame

LIMITS = WireLimits(max_message_bytes=1000, max_header_list_bytes=4000, max_nuisances=50)


class Echo:
    def __init__(self, call: Any) -> None:
        self.call = call

    def on_message(self, payload: bytes) -> None:
        self.call.send(payload)

    def on_half_close(self) -> None:
        self.call.finish()

    def on_cancel(self) -> None: ...

    def on_drain(self) -> None: ...


METHODS = {b"/x/Unary": Method(UNARY, lambda call, payload: call.reply(payload)), b"/x/Bidi": Method(BIDI, Echo)}


def serve(*chunks: bytes) -> tuple[bytes, bool]:
    """All that the server says to these bytes, and whether it ended the connection."""
    server = ServerConnection(METHODS, limits=LIMITS)
    said = b""
    for chunk in chunks:
        server.receive(chunk)
        said += b"".join(server.take_output())
    return said, server.is_closed


def head(stream_id: int, path: bytes = b"/x/Unary", flags: int = 0) -> bytes:
    fields = [(b":method", b"POST"), (b":path", path), (b"content-type", b"application/grpc")]
    return frame(HEADERS, END_HEADERS | flags, stream_id, encode_block(fields))


def message(stream_id: int, payload: bytes, flags: int = END_STREAM) -> bytes:
    return frame(DATA, flags, stream_id, b"\x00" + len(payload).to_bytes(4, "big") + payload)


CONVERSATION = b"".join(
    (
        PREFACE,
        frames.settings_frame({frames.INITIAL_WINDOW_SIZE: 20}),
        head(1) + message(1, b"first"),
        head(3, b"/x/Bidi") + message(3, b"a" * 30, 0),
        head(5, b"/x/Nothing") + message(5, b""),
        frame(DATA, PADDED, 3, b"\x03" + b"\x00\x00\x00\x00\x01b" + bytes(3)),
        frames.window_update(3, 100),
        frame(frames.PING, 0, 0, b"pingping"),
        head(7) + message(7, b"x" * 1001),
        frame(DATA, END_STREAM, 3),
        head(9) + message(9, b"last"),
    )
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=30))
def test_how_the_bytes_are_cut_does_not_matter(cuts: list[int]):
    edges = [0, *sorted(cuts), len(CONVERSATION)]
    chunks = [CONVERSATION[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]
    assert serve(*chunks) == serve(CONVERSATION)


def test_one_byte_at_a_time():
    assert serve(*(CONVERSATION[at : at + 1] for at in range(len(CONVERSATION)))) == serve(CONVERSATION)


def last_frame_kind(said: bytes) -> int:
    at = kind = 0
    while at < len(said):
        kind = said[at + 3]
        at += 9 + int.from_bytes(said[at : at + 3], "big")
    return kind


raw_frames = st.builds(frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 11), st.binary(max_size=60))
near_misses = st.one_of(
    raw_frames,
    st.sampled_from(
        [head(1), head(3, b"/x/Bidi"), message(1, b"hi"), message(3, b"hi", 0), frames.window_update(3, 9)]
    ),
    st.builds(
        lambda settings: frames.settings_frame(settings), st.dictionaries(st.integers(0, 8), st.integers(0, 2**32 - 1))
    ),
    st.binary(max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(near_misses, max_size=25))
def test_a_server_survives_whatever_comes(sent: list[bytes]):
    """It never raises, and if it ends the connection then by GOAWAY."""
    said, is_closed = serve(PREFACE + frames.settings_frame({}), *sent)
    assert is_closed == (last_frame_kind(said) == GOAWAY)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_noise_instead_of_a_preface(noise: bytes):
    said, is_closed = serve(noise)
    assert is_closed == (not PREFACE.startswith(noise[: len(PREFACE)]))
    assert is_closed == (last_frame_kind(said) == GOAWAY)


@settings(max_examples=300, deadline=None)
@given(st.lists(near_misses, max_size=25))
def test_a_client_survives_whatever_comes(sent: list[bytes]):
    """Every call ends exactly once, the latest when the socket is lost."""
    client = ClientConnection(limits=LIMITS)
    outcomes: list[Outcome] = []
    for _ in range(3):
        client.call_unary("/x/Unary", b"hi", outcomes.append)
    client.open_stream("/x/Bidi", lambda payload: None, outcomes.append)
    client.receive(frames.settings_frame({}))
    for chunk in sent:
        client.receive(chunk)
    client.lost()
    assert len(outcomes) == 4
