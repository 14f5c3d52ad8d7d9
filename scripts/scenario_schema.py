"""The JSON schema of scenario files, for editors; ``scripts/reference`` writes it."""

from typing import Any

import msgspec

from callmocks.config.types import PROVIDER_NAMES
from callmocks.contract.assumptions import MAX_CHOICE_CHARS, load_ledger
from callmocks.control.faults import describe_params
from callmocks.control.json_struct import schema_components
from callmocks.control.openapi import put_descriptions_last
from callmocks.faults.base import FaultType
from callmocks.server.providers import FAULT_TYPES
from callmocks.tenants.scenario import NamedTenantScenario, ScenarioFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def choices_schema() -> Schema:
    """Of the ledger; with ``*`` among the alternatives any text is a choice."""
    properties = {}
    for entry in load_ledger().values():
        allowed = [entry.default, *(each for each in entry.alternatives if each != "*")]
        kind: Schema = {"enum": allowed}
        if "*" in entry.alternatives:
            kind = {"examples": allowed, "maxLength": MAX_CHOICE_CHARS}
        properties[entry.id] = {"type": "string", **kind, "description": entry.statement}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def params_schema(name: str, fault_type: FaultType) -> Schema:
    """What a fault of that name must look like besides."""
    params = {key: each for key, each in describe_params(fault_type).items() if key != "title"}
    return {
        "if": {"properties": {"fault": {"const": name}}, "required": ["fault"]},
        "then": {
            "properties": {"params": params, "provider": {"enum": list(fault_type.providers)}}
        },
    }


def scenario_schema() -> Schema:
    (file, tenant), components = schema_components([ScenarioFile, NamedTenantScenario])
    plain: dict[str, Schema] = msgspec.json.decode(msgspec.json.encode(components))
    definitions = {name: put_descriptions_last(schema) for name, schema in plain.items()}
    properties = definitions["NamedTenantScenario"]["properties"]
    properties["assumptions"] |= choices_schema()
    fault = definitions["FaultState"]
    fault["properties"]["provider"] |= {"enum": list(PROVIDER_NAMES)}
    fault["properties"]["fault"] |= {"enum": sorted(FAULT_TYPES)}
    fault["allOf"] = [params_schema(*each) for each in sorted(FAULT_TYPES.items())]
    return {
        "$schema": DIALECT,
        "title": "Scenario of callmocks",
        "description": "Tenants with all that they hold; or one tenant alone.",
        "anyOf": [file, tenant],
        "$defs": dict(sorted(definitions.items())),
    }
