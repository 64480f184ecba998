"""What a client makes of a server's frames, good and bad."""

from __future__ import annotations

import pytest

from kvcluster.wire import ClientConnection, Outcome, codes, frames
from kvcluster.wire.blocks import encode_block
from kvcluster.wire.frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame

HEAD = [(b":status", b"200"), (b"content-type", b"application/grpc")]
OK = [(b"grpc-status", b"0")]


def headers(fields: list[tuple[bytes, bytes]], flags: int = 0, stream_id: int = 1) -> bytes:
    return frame(HEADERS, END_HEADERS | flags, stream_id, encode_block(fields))


def message(payload: bytes, flags: int = 0) -> bytes:
    return frame(DATA, flags, 1, b"\x00" + len(payload).to_bytes(4, "big") + payload)


def end(*fields: tuple[bytes, bytes]) -> bytes:
    return headers(list(fields), END_STREAM)


def ask(*answer: bytes) -> Outcome:
    """The outcome of a unary call that is answered so."""
    client = ClientConnection()
    outcomes: list[Outcome] = []
    client.receive(frames.settings_frame({}))
    client.call_unary("/x/Y", b"", outcomes.append)
    client.receive(b"".join(answer))
    (outcome,) = outcomes
    assert client.call_count == 0
    return outcome


def test_a_good_answer_with_trailing_metadata():
    outcome = ask(headers(HEAD), message(b"hi"), end(*OK, (b"cost", b"7"), (b"x-bin", b"AAE")))
    assert outcome == Outcome(codes.OK, "", b"hi", metadata={"cost": "7", "x-bin": b"\x00\x01"})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ([end(*HEAD, (b"grpc-status", b"5"), (b"grpc-message", b"key%20gone"))], codes.NOT_FOUND),
        ([headers(HEAD), end(*OK)], codes.INTERNAL),
        ([headers(HEAD), message(b"a"), message(b"b"), end(*OK)], codes.INTERNAL),
        ([headers(HEAD), frame(DATA, 0, 1, b"\x00\x00\x00\x00\x05he"), end(*OK)], codes.INTERNAL),
        ([headers(HEAD), frame(DATA, 0, 1, b"\x01\x00\x00\x00\x01x")], codes.INTERNAL),
        ([headers(HEAD), message(b"a", END_STREAM)], codes.INTERNAL),
        ([headers(HEAD), end((b"grpc-status", b"many"))], codes.UNKNOWN),
        ([headers(HEAD), end((b"grpc-status", b"9" * 5000))], codes.UNKNOWN),
        ([headers([(b":status", b"503")])], codes.UNAVAILABLE),
        ([headers([(b":status", b"404")], END_STREAM)], codes.UNIMPLEMENTED),
        ([headers([(b":status", b"418")])], codes.UNKNOWN),
        ([frames.rst_stream(1, frames.CANCEL)], codes.CANCELLED),
        ([frames.rst_stream(1, frames.ENHANCE_YOUR_CALM)], codes.RESOURCE_EXHAUSTED),
        ([frames.rst_stream(1, frames.INTERNAL_ERROR)], codes.INTERNAL),
    ],
)
def test_answers_that_are_no_success(answer: list[bytes], code: int):
    outcome = ask(*answer)
    assert outcome.code == code
    assert outcome.was_sent
    assert outcome.payload == b""


def test_a_refused_stream_was_not_sent():
    outcome = ask(frames.rst_stream(1, frames.REFUSED_STREAM))
    assert (outcome.code, outcome.was_sent) == (codes.UNAVAILABLE, False)


@pytest.mark.parametrize(
    "sent",
    [
        frame(frames.PUSH_PROMISE, END_HEADERS, 1, bytes(8)),
        frames.settings_frame({frames.ENABLE_PUSH: 1}),
        headers(HEAD, stream_id=2),
        headers(HEAD, stream_id=9),
        frame(DATA, 0, 9, b"x"),
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_server_that_breaks_the_protocol_ends_all_calls(sent: bytes):
    client = ClientConnection()
    outcomes: list[Outcome] = []
    client.receive(frames.settings_frame({}))
    client.call_unary("/x/Y", b"", outcomes.append)
    client.receive(sent)
    (outcome,) = outcomes
    assert outcome.code == codes.UNAVAILABLE
    assert outcome.text.startswith("protocol error: ")
    assert client.is_closed
    assert b"".join(client.take_output())[-40:]


def test_interim_answers_are_skipped():
    assert ask(headers([(b":status", b"103")]), headers(HEAD), message(b"x"), end(*OK)).payload == b"x"
