"""The scheduler's configuration: a subset of KubeSchedulerConfiguration, checked whole before anything starts.

    apiVersion: kubescheduler.config.k8s.io/v1
    kind: KubeSchedulerConfiguration
    podInitialBackoffSeconds: 1
    podMaxBackoffSeconds: 10
    profiles:
      - schedulerName: default-scheduler
        plugins:
          multiPoint:
            enabled:
              - name: examples.zone_sticky:ZoneSticky     # a third-party plugin is package.module:Class
                weight: 5
              - name: TaintToleration                     # a known one: only its weight is changed
                weight: 1
            disabled:
              - name: NodeResourcesBalancedAllocation
        pluginConfig:
          - name: examples.zone_sticky:ZoneSticky
            args: {zone: zone-a}                          # keyword arguments of the class

Anything else is refused by name, not ignored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from apiserver.client import Client
from apiserver.scheduler.plugins import default_plugins
from apiserver.scheduler.profile import PluginError, Profile, WeightedPlugin, load_plugin


class ProfileConfig(NamedTuple):
    """enabled: (name, weight or None); disabled: names, or "*"; args by plugin name."""

    name: str = "default-scheduler"
    enabled: tuple[tuple[str, int | None], ...] = ()
    disabled: tuple[str, ...] = ()
    args: dict[str, dict[str, Any]] = {}


class SchedulerConfig(NamedTuple):
    profiles: tuple[ProfileConfig, ...] = (ProfileConfig(),)
    initial_backoff_s: float = 1.0
    max_backoff_s: float = 10.0
    max_unschedulable_s: float = 300.0
    seed: int = 0


def _only(where: str, value: Any, known: Iterable[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PluginError(f"{where}: expected a mapping, got {type(value).__name__}")
    unknown = [key for key in value if key not in known]
    if unknown:
        raise PluginError(f"{where}: unknown field {', '.join(map(repr, unknown))}; known: {', '.join(known)}")
    return value


def _names(where: str, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise PluginError(f"{where}: expected a list, got {type(value).__name__}")
    for item in value:
        if not isinstance(_only(where, item, ("name", "weight", "args")).get("name"), str):
            raise PluginError(f"{where}: every entry needs a name")
        weight = item.get("weight")
        if weight is not None and (not isinstance(weight, int) or isinstance(weight, bool)):
            raise PluginError(f"{where}: weight of {item['name']} is not a whole number")
    return value


def _parse_profile(where: str, value: Any) -> ProfileConfig:
    profile = _only(where, value, ("schedulerName", "plugins", "pluginConfig"))
    points = _only(f"{where}.plugins", profile.get("plugins") or {}, ("multiPoint",))
    multi = _only(f"{where}.plugins.multiPoint", points.get("multiPoint") or {}, ("enabled", "disabled"))
    enabled = _names(f"{where}.plugins.multiPoint.enabled", multi.get("enabled") or [])
    disabled = _names(f"{where}.plugins.multiPoint.disabled", multi.get("disabled") or [])
    configs = _names(f"{where}.pluginConfig", profile.get("pluginConfig") or [])
    return ProfileConfig(
        name=str(profile.get("schedulerName") or "default-scheduler"),
        enabled=tuple((item["name"], item.get("weight")) for item in enabled),
        disabled=tuple(item["name"] for item in disabled),
        args={item["name"]: dict(item.get("args") or {}) for item in configs},
    )


def parse_config(document: Any) -> SchedulerConfig:
    """A decoded configuration file. Raises PluginError with the path of what is wrong."""
    known = ("apiVersion", "kind", "profiles", "podInitialBackoffSeconds", "podMaxBackoffSeconds")
    config = _only("scheduler configuration", document, known)
    if config.get("kind") != "KubeSchedulerConfiguration":
        raise PluginError("scheduler configuration: kind must be KubeSchedulerConfiguration")
    backoffs = []
    for field, default in (("podInitialBackoffSeconds", 1.0), ("podMaxBackoffSeconds", 10.0)):
        value = config.get(field, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
            raise PluginError(f"scheduler configuration: {field} must be a number of seconds")
        backoffs.append(float(value))
    profiles = config.get("profiles") or [{}]
    if not isinstance(profiles, list):
        raise PluginError("scheduler configuration: profiles must be a list")
    parsed = tuple(_parse_profile(f"profiles[{index}]", value) for index, value in enumerate(profiles))
    names = [profile.name for profile in parsed]
    if len(dict.fromkeys(names)) != len(names):
        raise PluginError("scheduler configuration: two profiles have the same schedulerName")
    return SchedulerConfig(parsed, backoffs[0], backoffs[1])


def with_plugins(config: SchedulerConfig, specs: Iterable[str]) -> SchedulerConfig:
    """The configuration with plugins of the command line ("module:Class=weight") added to every profile."""
    more: list[tuple[str, int | None]] = []
    for spec in specs:
        target, _, weight = spec.partition("=")
        if weight and not weight.isdecimal():
            raise PluginError(f'plugin "{spec}": weight "{weight}" is not a whole number')
        more.append((target, int(weight) if weight else None))
    profiles = tuple(profile._replace(enabled=(*profile.enabled, *more)) for profile in config.profiles)
    return config._replace(profiles=profiles)


def check_config(config: SchedulerConfig) -> None:
    """Makes every plugin once, and throws it away. Raises PluginError for one that cannot be made."""
    for profile in config.profiles:
        build_profile(profile, None)


def build_profile(config: ProfileConfig, client: Client | None) -> Profile:
    """The plugins of one profile; without a client they cannot bind.

    Raises PluginError for a plugin that is unknown or cannot be made.
    """
    plugins = {entry.plugin.name: entry for entry in default_plugins(client)}
    for name in config.disabled:
        if name == "*":
            plugins = {kept: entry for kept, entry in plugins.items() if kept in ("PrioritySort", "DefaultBinder")}
        elif plugins.pop(name, None) is None:
            raise PluginError(f"profile {config.name}: disabled plugin {name} is not known")
    known = {entry.plugin.name: entry for entry in default_plugins(client)}
    for name, weight in config.enabled:
        if ":" in name:
            loaded = load_plugin(f"{name}={weight or 1}", config.args.get(name))
            plugins[loaded.plugin.name] = loaded
        elif name in known:
            plugins[name] = WeightedPlugin(known[name].plugin, weight or known[name].weight)
        else:
            raise PluginError(
                f"profile {config.name}: plugin {name} is not known; a third-party one is package.module:Class"
            )
    return Profile(plugins.values(), name=config.name)
