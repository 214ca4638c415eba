"""Reward type → its class. Every module of this package that defines one is found."""

import pkgutil
from importlib import import_module

from rewards import types
from rewards.models import RewardKind, RewardType
from rewards.types.base import TypeOfReward

for _module in pkgutil.iter_modules(types.__path__, f"{types.__name__}."):
    if _module.name != __name__:
        import_module(_module.name)

TYPES: dict[str, TypeOfReward] = {found.type: found() for found in TypeOfReward.__subclasses__()}
OF_KIND: dict[str, list[str]] = {
    kind: [name for name in RewardType.values if name in TYPES and TYPES[name].kind == kind] for kind in RewardKind
}


def type_of(reward_type: str) -> TypeOfReward:
    return TYPES[RewardType(reward_type)]
