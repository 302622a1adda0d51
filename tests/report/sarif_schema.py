"""The part of SARIF 2.1.0 that ckptlint writes, as a JSON schema, written from the text of the standard.

Stricter than the standard where ckptlint promises more: nothing that is not listed may appear, URIs are relative, and a
result has a place and a fingerprint. Section numbers are those of the OASIS document.
"""

from __future__ import annotations

from typing import Any


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": sorted(required),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


_TEXT = {"type": "string", "minLength": 1}
_NUMBER = {"type": "integer", "minimum": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10
_MESSAGE = _object({"text": _TEXT})  # 3.11
_REGION = _object(dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), _NUMBER))  # 3.30
_ARTIFACT = _object(  # 3.4: relative, and no character that a URI reference may not have
    {"uri": {"type": "string", "pattern": r"^(?!/)[A-Za-z0-9\-._~!$&'()*+,;=@/%]+$"}, "uriBaseId": _TEXT}
)
_PHYSICAL = _object({"artifactLocation": _ARTIFACT, "region": _REGION})  # 3.29
_RULE = _object(  # 3.49
    {
        "id": _TEXT,
        "name": _TEXT,
        "shortDescription": _MESSAGE,
        "help": _object({"text": _TEXT, "markdown": _TEXT}),
        "defaultConfiguration": _object({"level": _LEVEL}),
    }
)
_REPLACEMENT = _object(  # 3.57
    {"deletedRegion": _REGION, "insertedContent": _object({"text": {"type": "string"}})}
)
_FIX = _object(  # 3.55
    {
        "description": _MESSAGE,
        "artifactChanges": _list(_object({"artifactLocation": _ARTIFACT, "replacements": _list(_REPLACEMENT, 1)}), 1),
    }
)
_RESULT = _object(  # 3.27
    {
        "ruleId": _TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": _LEVEL,
        "message": _MESSAGE,
        "locations": _list(_object({"physicalLocation": _PHYSICAL}), 1),
        "partialFingerprints": {
            "type": "object",
            "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{16}:[0-9]+$"},
            "minProperties": 1,
        },
        "properties": _object({"confidence": {"enum": ["high", "medium", "low"]}}),
    },
    {
        "relatedLocations": _list(_object({"id": _NUMBER, "physicalLocation": _PHYSICAL, "message": _MESSAGE}), 1),
        "fixes": _list(_FIX, 1),
    },
)
_RUN = _object(  # 3.14
    {
        "tool": _object({"driver": _object({"name": _TEXT, "version": _TEXT, "rules": _list(_RULE)})}),
        "originalUriBaseIds": {
            "type": "object",
            "additionalProperties": _object({"uri": {"type": "string", "pattern": "^file:///.*/$"}}),
        },
        "columnKind": {"const": "unicodeCodePoints"},
        "results": _list(_RESULT),
    }
)
SCHEMA = _object({"$schema": _TEXT, "version": {"const": "2.1.0"}, "runs": _list(_RUN, 1)})  # 3.13
