"""txn: create (put if the key is not there; every key is new) or cas (put if nobody wrote since; each caller has a key)."""

from __future__ import annotations

from itertools import count

from kvcluster import pb
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.unary import TXN, Template, Unary, make_key, make_value

CREATE_REVISION, MOD_REVISION = pb.Compare.CREATE, pb.Compare.MOD
SUCCEEDED = b"\x10\x01"
"""TxnResponse.succeeded = true, after the header."""


def make(context: Context) -> Workload:
    return _make_create(context) if context.plan.mode == "create" else _make_cas(context)


def build_put_if(key: bytes, value: bytes, target: int, revision: int) -> bytes:
    compare = pb.Compare(key=key, target=target)
    if target == MOD_REVISION:
        compare.mod_revision = revision
    else:
        compare.create_revision = revision
    put = pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))
    return pb.TxnRequest(compare=[compare], success=[put]).SerializeToString()


def has_succeeded(payload: bytes) -> bool:
    """By the bytes: parsing a TxnResponse costs the generator more than sending the next request."""
    at = payload[1] + 2
    return payload[at : at + 2] == SUCCEEDED


def _make_create(context: Context) -> Workload:
    """Keys are numbered by worker and start, so that a second run on the same server creates new ones too."""
    plan = context.plan
    run = context.now_ns() % 10**9
    value = make_value(plan)
    numbers = count()

    def key() -> bytes:
        return b"%snew/%09d/%03d/%012d" % (plan.prefix.encode(), run, context.index, next(numbers))

    template = Template(lambda key: build_put_if(key, value, CREATE_REVISION, 0), len(key()))
    return Unary(context, "txns", lambda caller: (TXN, template.fill(key())), check=_check_created)


def _check_created(caller: int, payload: bytes) -> str | None:
    return None if has_succeeded(payload) else "the key was there already"


def _make_cas(context: Context) -> Workload:
    plan = context.plan
    value = make_value(plan)
    revisions: dict[int, int] = {}

    def source(caller: int) -> tuple[str, bytes]:
        key = b"%s/%d" % (make_key(plan, caller % plan.key_space_size), context.index)
        known = revisions.get(caller)
        if known is None:  # the first of this caller: whatever is there is replaced
            put = pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))
            return TXN, pb.TxnRequest(success=[put]).SerializeToString()
        return TXN, build_put_if(key, value, MOD_REVISION, known)

    def check(caller: int, payload: bytes) -> str | None:
        response = pb.TxnResponse.FromString(payload)
        revisions[caller] = response.header.revision
        if response.succeeded:
            return None
        del revisions[caller]
        return "somebody else wrote the key"

    return Unary(context, "txns", source, check=check)
