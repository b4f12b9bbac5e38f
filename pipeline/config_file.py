"""Reads YAML, and a run's config from it: each fault ends in a sentence that names the key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.config import Config
from pipeline.errors import InputError, did_you_mean


def read_config(path: Path) -> Config:
    """Read and check a config.

    Raises
    ------
    InputError
        Naming the key, with the nearest known key where it is unknown.
    """
    if not path.is_file():
        raise InputError(
            "no such file", file=path, mend="name a config, such as configs/default.yaml"
        )
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise InputError(
            "holds no keys", file=path, expected="a mapping, as in configs/default.yaml"
        )
    if "file" in content:
        raise InputError("unknown key 'file'", file=path)
    try:
        return Config.model_validate({**content, "file": path.resolve()})
    except ValidationError as error:
        raise InputError(faults(error), file=path) from None


def read_yaml(path: Path) -> Any:
    """Read one YAML file, refusing a key that stands twice.

    Only ``true`` and ``false`` are truth values: ``yes``, ``no``, ``on`` and ``off`` stay
    text, because tables hold them as text.

    Raises
    ------
    InputError
        Where the file is not YAML, or not UTF-8.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _OnceOnlyLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: not UTF-8, or no such date
        raise InputError(f"not readable as YAML: {error}", file=path) from None


class _OnceOnlyLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key written twice instead of keeping the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # keys merged in by << may be overridden: that is what it is for
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be one word or number", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


_TRUTH = "tag:yaml.org,2002:bool"
_OnceOnlyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TRUTH]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_OnceOnlyLoader.add_implicit_resolver(
    _TRUTH, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def faults(error: ValidationError, whole: type[BaseModel] = Config) -> str:
    """Say what is wrong with the content of a file, key by key."""
    return "; ".join(_fault(fault, whole) for fault in error.errors())


def _fault(fault: Any, whole: type[BaseModel]) -> str:
    # The discriminator of `source` appears in the location without being a key.
    place = [str(part) for part in fault["loc"]]
    if len(place) > 1 and place[0] == "source" and place[1] in ("table", "synthetic"):
        del place[1]
    key = ".".join(place)
    if fault["type"] == "extra_forbidden":
        return f"unknown key '{key}'{did_you_mean(place[-1], _known_keys(place, whole))}"
    if fault["type"] == "missing":
        return f"the key '{key}' is missing"
    if fault["type"] == "union_tag_not_found":
        return "the key 'source.kind' is missing (synthetic or table)"
    message = fault["msg"].removeprefix("Value error, ")
    found = fault["input"]
    shown = f" (found {found!r})" if isinstance(found, str | int | float) else ""
    return f"key '{key}': {message}{shown}" if key else message


def _known_keys(place: list[str], whole: type[BaseModel]) -> list[str]:
    """Keys that the section holding the unknown key does take."""
    sections: list[type[BaseModel]] = [whole]
    for part in place[:-1]:
        inner = [m for s in sections for m in _models_in(s, part)]
        sections = inner or sections
    return [name for s in sections for name in s.model_fields if name != "file"]


def _models_in(section: type[BaseModel], part: str) -> list[type[BaseModel]]:
    field = section.model_fields.get(part)
    if field is None:
        return []
    found, queue = [], [field.annotation]
    while queue:
        kind: Any = queue.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found.append(kind)
        queue.extend(getattr(kind, "__args__", ()))
    return found
