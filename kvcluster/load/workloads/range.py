"""range: reads of one key, or of a prefix that holds range_keys keys; linearizable or serializable."""

from __future__ import annotations

from collections.abc import Iterator

from kvcluster import pb
from kvcluster.load.plan import Plan
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.unary import (
    RANGE,
    Template,
    Unary,
    key_numbers,
    make_key,
    make_value,
    ring_of,
    ring_size,
)


def make(context: Context) -> Workload:
    plan = context.plan
    ring = ring_of(RANGE, range_requests(plan, context.index))
    return Unary(context, "ranges", ring, check=_check_found, fill=fill_requests(plan))


def range_requests(plan: Plan, index: int) -> list[bytes]:
    serializable = plan.consistency == "s"
    requests = []
    for number in key_numbers(plan, index, ring_size(plan)):
        range_end = b""
        if plan.range_keys:
            number = min(number, max(plan.key_space_size - plan.range_keys, 0))
            range_end = make_key(plan, number + plan.range_keys - 1) + b"\x00"
        requests.append(
            pb.RangeRequest(
                key=make_key(plan, number), range_end=range_end, limit=plan.range_limit, serializable=serializable
            ).SerializeToString()
        )
    return requests


def fill_requests(plan: Plan) -> Iterator[bytes]:
    """A put of every key of the key space."""
    value = make_value(plan)
    template = Template(lambda key: pb.PutRequest(key=key, value=value).SerializeToString(), len(make_key(plan, 0)))
    return (template.fill(make_key(plan, number)) for number in range(plan.key_space_size))


def _check_found(caller: int, payload: bytes) -> str | None:
    """Every key is there, so pairs (field 2) follow the header. By the bytes: parsing would cost more than the read."""
    at = payload[1] + 2
    return None if payload[at : at + 1] == b"\x12" else "an answer without the key"
