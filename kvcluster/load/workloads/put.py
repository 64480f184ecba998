"""put: values of val_size bytes on key_space_size keys."""

from __future__ import annotations

from kvcluster import pb
from kvcluster.load.workloads import Context, Workload
from kvcluster.load.workloads.unary import PUT, Template, Unary, key_numbers, make_key, make_value, ring_of, ring_size


def make(context: Context) -> Workload:
    plan = context.plan
    value = make_value(plan)
    template = Template(lambda key: pb.PutRequest(key=key, value=value).SerializeToString(), len(make_key(plan, 0)))
    if plan.sequential_keys:  # perhaps millions: built when they are sent
        start = context.index * plan.key_space_size // plan.workers
        number = start - 1

        def source(caller: int) -> tuple[str, bytes]:
            nonlocal number
            number += 1
            return PUT, template.fill(make_key(plan, number % plan.key_space_size))

        return Unary(context, "puts", source)
    numbers = key_numbers(plan, context.index, ring_size(plan))
    return Unary(context, "puts", ring_of(PUT, [template.fill(make_key(plan, number)) for number in numbers]))
