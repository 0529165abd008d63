"""A result as a message and volumes, and back, without loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ParetoSegLib.core.labels import REGIONS
from ParetoSegLib.data.case import Case
from ParetoSegLib.measure.lesions import Lesion, LesionMap
from ParetoSegLib.review.result import Result
from ParetoSegLib.service.protocol import ProtocolError

TERRITORIES = "territories"


def volumes_of(result: Result) -> dict[str, np.ndarray]:
    """The volumes of a result by the name of their files, each of the type ``type_of`` tells."""
    volumes = {f"membership-{r}": result.membership[r] for r in result.regions}
    return {**volumes, TERRITORIES: result.lesions.territories}


def volume_names(content: Mapping[str, Any]) -> list[str]:
    """The names of the volumes that belong to a message.

    Raises:
        ProtocolError: the message is no result of a case.
    """
    regions = content.get("assessable")
    if not isinstance(regions, list) or not regions or not set(regions) <= set(REGIONS):
        raise ProtocolError("The result names no regions.")
    return [*(f"membership-{r}" for r in REGIONS if r in regions), TERRITORIES]


def type_of(name: str) -> np.dtype:
    """The number type in which a volume travels: exactly that of ``Result``."""
    return np.dtype(np.int32 if name == TERRITORIES else np.float32)


def content_of(result: Result) -> dict[str, Any]:
    """Everything of a result but its volumes and images, ready for JSON."""
    return {
        "sequences": list(result.case.images),
        "assessable": list(result.assessable),
        "levels": {region: list(pair) for region, pair in result.levels.items()},
        "model_name": result.model_name,
        "lesion_region": result.lesions.region,
        "lesions": [lesion_to_json(lesion) for lesion in result.lesions.lesions],
        "facts": dict(result.facts),
    }


def result_from(
    content: Mapping[str, Any], volumes: Mapping[str, np.ndarray], case: Case
) -> Result:
    """The result that a message, its volumes and the case that was sent make up.

    Args:
        content: from ``content_of``, after its journey through JSON.
        volumes: by name, for each of ``volume_names``, on ``case.grid``.
        case: that was segmented; sequences that the model did not use are left out of the result.

    Raises:
        ProtocolError: the message is no result of this case.
    """
    try:
        used = {m: case.images[m] for m in content["sequences"]}
        regions = tuple(str(r) for r in content["assessable"])
        lesions = tuple(lesion_from_json(row) for row in content["lesions"])
        return Result(
            case=replace(case, images=used),
            membership={r: volumes[f"membership-{r}"] for r in REGIONS if r in regions},
            assessable=regions,
            lesions=LesionMap(lesions, volumes[TERRITORIES], str(content["lesion_region"])),
            levels={str(r): (float(a), float(b)) for r, (a, b) in content["levels"].items()},
            model_name=str(content["model_name"]),
            facts=dict(content["facts"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProtocolError("The result does not fit the case that was sent.") from error


def lesion_to_json(lesion: Lesion) -> dict[str, Any]:
    """One lesion, ready for JSON."""
    row = {field.name: _plain(getattr(lesion, field.name)) for field in fields(lesion)}
    return {**row, "box": [[int(s.start), int(s.stop)] for s in lesion.box]}


def lesion_from_json(row: Mapping[str, Any]) -> Lesion:
    """The lesion that ``lesion_to_json`` was given.

    Raises:
        KeyError, TypeError, ValueError: it was given something else.
    """
    if set(row) != {field.name for field in fields(Lesion)}:
        raise ValueError("a lesion has other fields")
    d, h, w = (slice(int(start), int(stop)) for start, stop in row["box"])
    x, y, z = (float(v) for v in row["centroid_lps"])
    return Lesion(**{**row, "box": (d, h, w), "centroid_lps": (x, y, z)})


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
