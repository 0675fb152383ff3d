"""The configuration as JSON Schema, put together from the same models that check it."""

from typing import Any

from syncd import sources, targets
from syncd.config import Root, TargetConfig


def configuration_schema() -> dict[str, Any]:
    """One schema for the whole file: a source and a target are one of their types."""
    schema = Root.model_json_schema(ref_template="#/$defs/{model}")
    definitions = schema.setdefault("$defs", {})
    common = TargetConfig.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(common.pop("$defs", {}))
    own = {kind: targets.settings_of(kind).model_json_schema() for kind in targets.available()}
    schema["properties"]["source"] = {
        "oneOf": [_hoisted(sources.settings_of(kind).model_json_schema(), definitions) for kind in sources.available()]
    }
    schema["properties"]["targets"]["items"] = {
        "oneOf": [_target(kind, _hoisted(found, definitions), common) for kind, found in own.items()]
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "syncd configuration", **schema}


def _target(kind: str, own: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    properties = {**common["properties"], **own["properties"], "type": {"const": kind}}
    return {
        "type": "object",
        "title": kind,
        "description": own.get("description", ""),
        "properties": properties,
        "required": sorted({"type", *own.get("required", [])}),
        "additionalProperties": False,
    }


def _hoisted(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    definitions.update(schema.pop("$defs", {}))
    return schema
