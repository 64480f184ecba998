"""A profile: a scheduler name and the plugins that decide for pods of that name.

Plugins are sorted by extension point once, by looking which methods they have. A third-party plugin is named by
"package.module:Class" (with an optional "=weight") on the command line or in the configuration; its class is called with
no arguments, or with `args` where the configuration gives some.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from apiserver.scheduler.framework import SUCCESS, Status

POINTS = (
    "pre_enqueue", "sort_key", "pre_filter", "filter", "post_filter", "pre_score", "score",
    "reserve", "unreserve", "permit", "pre_bind", "bind", "post_bind",
)  # fmt: skip


class PluginError(ValueError):
    """A plugin that cannot be loaded or used; the text says which and why."""


class WeightedPlugin(NamedTuple):
    plugin: Any
    weight: int = 1


class Profile:
    """`points[name]` lists (plugin name, bound method) in the order of the plugins."""

    def __init__(self, plugins: Iterable[WeightedPlugin], *, name: str = "default-scheduler") -> None:
        self.name = name
        self.plugins = list(plugins)
        self.points: dict[str, list[tuple[str, Callable[..., Any]]]] = {point: [] for point in POINTS}
        self.weights: dict[str, int] = {}
        self.normalizers: dict[str, Callable[..., None]] = {}
        for plugin, weight in self.plugins:
            self._add(plugin, weight)
        if len(self.points["sort_key"]) != 1:
            raise PluginError(f"profile {name} needs exactly one plugin with sort_key")
        if not self.points["bind"]:
            raise PluginError(f"profile {name} needs a plugin with bind")

    def _add(self, plugin: Any, weight: int) -> None:
        name = getattr(plugin, "name", None)
        if not isinstance(name, str) or not name:
            raise PluginError(f"plugin {plugin!r} has no name")
        if name in self.weights:
            raise PluginError(f"plugin {name} stands twice in profile {self.name}")
        methods = {point: getattr(plugin, point) for point in POINTS if callable(getattr(plugin, point, None))}
        if not methods:
            raise PluginError(f"plugin {name} implements no extension point; known ones: {', '.join(POINTS)}")
        if not 0 < weight <= 100:
            raise PluginError(f"plugin {name}: weight {weight} is not between 1 and 100")
        self.weights[name] = weight
        for point, method in methods.items():
            self.points[point].append((name, method))
        if callable(getattr(plugin, "normalize_scores", None)):
            self.normalizers[name] = plugin.normalize_scores

    def gate(self, pod: Any) -> Status:
        """The first refusal of pre_enqueue, or SUCCESS."""
        for name, method in self.points["pre_enqueue"]:
            status: Status = method(pod)
            if not status.ok:
                return status._replace(plugin=name)
        return SUCCESS

    def events_of(self, names: Iterable[str]) -> list[str]:
        """The cluster events that can undo a refusal of these plugins; "*" for a plugin that does not say."""
        wanted = list(names)
        events: dict[str, None] = {}
        for plugin, _ in self.plugins:
            if plugin.name in wanted:
                events.update(dict.fromkeys(getattr(plugin, "events", ("*",))))
        return list(events)


def load_plugin(spec: str, args: dict[str, Any] | None = None) -> WeightedPlugin:
    """ "package.module:Class" or "package.module:Class=weight" as a plugin. Raises PluginError with what is wrong."""
    target, _, weight_text = spec.partition("=")
    module_name, colon, class_name = target.partition(":")
    if not colon or not module_name or not class_name:
        raise PluginError(f'plugin "{spec}": expected "package.module:Class" or "package.module:Class=weight"')
    try:
        weight = int(weight_text) if weight_text else 1
    except ValueError:
        raise PluginError(f'plugin "{spec}": weight "{weight_text}" is not a whole number') from None
    try:
        factory = getattr(importlib.import_module(module_name), class_name)
    except ImportError as cause:
        raise PluginError(f'plugin "{spec}": {cause}') from cause
    except AttributeError:
        raise PluginError(f'plugin "{spec}": module {module_name} has no {class_name}') from None
    try:
        plugin = factory(**args) if args else factory()
    except TypeError as cause:
        raise PluginError(f'plugin "{spec}": {cause}') from cause
    return WeightedPlugin(plugin, weight)
