"""What became of a request: the currency between apply, member and rpc."""

from __future__ import annotations

from kvcluster.errors import EtcdError


class Applied:
    """`body` is the encoded response without field 1: put the header in front and it is the whole response.

    `revision`: the store's, for that header. `error`: the request was refused and changed nothing; body is then empty.
    """

    __slots__ = ("revision", "body", "error")

    def __init__(self, revision: int, body: bytes = b"", error: EtcdError | None = None) -> None:
        self.revision = revision
        self.body = body
        self.error = error

    def __repr__(self) -> str:
        return f"Applied(revision={self.revision}, body={self.body!r}, error={self.error!r})"
