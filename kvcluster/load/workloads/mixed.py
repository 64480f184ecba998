"""mixed: read_ratio of the requests are ranges, the rest are puts, in an order drawn with the seed."""

from __future__ import annotations

from itertools import cycle
from random import Random

from kvcluster import pb
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.range import fill_requests, range_requests
from kvcluster.load.workloads.unary import PUT, RANGE, Template, Unary, key_numbers, make_key, make_value, ring_size


def make(context: Context) -> Workload:
    plan = context.plan
    value = make_value(plan)
    template = Template(lambda key: pb.PutRequest(key=key, value=value).SerializeToString(), len(make_key(plan, 0)))
    dice = Random(f"mixed {plan.seed} {context.index}")
    puts = [template.fill(make_key(plan, number)) for number in key_numbers(plan, context.index, ring_size(plan))]
    requests = [
        (RANGE, range_) if dice.random() < plan.read_ratio else (PUT, put)
        for range_, put in zip(range_requests(plan, context.index), puts, strict=True)
    ]
    following = cycle(requests).__next__
    return Unary(context, "requests", lambda caller: following(), fill=fill_requests(plan))
