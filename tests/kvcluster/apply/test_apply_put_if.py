"""The transaction of an optimistic write, laid by hand: the bytes and the plan that the messages would give."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvcluster import pb
from kvcluster.apply import PutFields, encode_put_if, plan_put_if, plan_txn
from kvcluster.client import codec

KEYS = st.binary(min_size=1, max_size=300)


@given(KEYS, st.binary(max_size=300), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_it_is_the_message(key: bytes, value: bytes, mod_revision: int, lease: int):
    fields = PutFields(key, value, lease)
    message = codec.build_put_if(key, value, mod_revision, lease)
    assert pb.TxnRequest.FromString(encode_put_if(fields, mod_revision)) == message
    plan, wanted = plan_put_if(fields, mod_revision), plan_txn(message)
    assert plan.has_nested is wanted.has_nested is False
    (compare,), (other,) = plan.compares, wanted.compares
    for field in ("key", "mod_revision", "result", "target", "range_end"):
        assert getattr(compare, field) == getattr(other, field)
    ((kind, put),), ((other_kind, other_put),) = plan.success, wanted.success
    assert kind == other_kind
    for field in PutFields._fields:
        assert getattr(put, field) == getattr(other_put, field)
    assert plan.failure == wanted.failure
