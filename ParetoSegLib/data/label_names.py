"""From the label names in a ``dataset.json`` to a label scheme."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ParetoSegLib.core.errors import LayoutError
from ParetoSegLib.core.labels import SCHEMES, LabelScheme

_BINARY = r"(brain )?(tumou?rs?|lesions?|metastas[ie]s|mets?|gtv)"
_ROLES = (
    ("background", r"background|bg"),
    ("cavity", r"rc|(resection )?cavity"),
    ("netc", r".*necro.*|.*non ?enh.*|ncr|net|netc|ncr net"),
    ("snfh", r".*o?edema.*|snfh|ed|.*hyper ?intens.*"),
    ("wt", r"wt|whole( tumou?r)?"),
    ("et", r"et|.*enhanc.*|active( tumou?r)?|at"),
    ("tc", rf"tc|(tumou?r )?core|{_BINARY}"),
)
"""Roles that names play, tried in this order."""


def scheme_from_names(labels: Mapping[str, object], file_name: str) -> LabelScheme:
    """Make a scheme of what a data set calls its labels.

    Both ways are understood: names to values (nnU-Net 2, where a region may list several values)
    and values to names (nnU-Net 1, MONAI, the Decathlon). Regions nest: what is enhancing is
    core, what is core is tumour. A region that the names do not pin down is left undefined: WT
    without an edema label, TC with an enhancing label but no word on necrosis.

    Args:
        labels: e.g. ``{"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3],
            "enhancing": 3}`` or ``{"0": "background", "1": "edema", …}``.
        file_name: named in errors.

    Raises:
        LayoutError: a name that means nothing here, or no region at all.
    """
    if labels and all(str(key).strip().isdigit() for key in labels):
        named = [(str(name), int(str(value))) for value, name in labels.items()]
    else:
        named = [(str(n), v) for n, values in labels.items() for v in _values(values, n, file_name)]
    roles: dict[str, set[int]] = {}
    for name, value in named:
        role = _role(name)
        if role is None:
            raise LayoutError(
                f"{file_name} has a label called {name!r}, which could mean several things; "
                "call labels enhancing tumor, non-enhancing core, edema, resection cavity, "
                "tumor core, whole tumor or metastasis."
            )
        if role != "background":
            roles.setdefault(role, set()).add(value)

    regions: dict[str, frozenset[int]] = {}
    et = roles.get("et", set())
    netc = roles.get("netc", set())
    if et:
        regions["et"] = frozenset(et)
    if "tc" in roles or (et and netc):
        regions["tc"] = frozenset(roles.get("tc", set()) | et | netc)
    if "wt" in roles or ("snfh" in roles and "tc" in regions):
        parts = (roles.get(role, set()) for role in ("wt", "snfh", "tc", "et", "netc"))
        regions["wt"] = frozenset().union(*parts)
    if not regions:
        raise LayoutError(
            f"{file_name} defines none of enhancing tumor, tumor core and whole tumor; "
            "name its labels after them or after their parts."
        )
    used = frozenset().union(*regions.values())
    rest = frozenset().union(*roles.values()) - used
    called = {value: name for name, value in named if value in rest}
    return LabelScheme(f"the label list of {file_name}", regions, called)


def named_scheme(name: str, file_name: str) -> LabelScheme:
    """One of the known schemes.

    Raises:
        LayoutError: there is none of that name.
    """
    if name not in SCHEMES:
        raise LayoutError(
            f"{file_name} names the label scheme {name!r}; it must be one of {', '.join(SCHEMES)}."
        )
    return SCHEMES[name]


def _role(name: str) -> str | None:
    plain = " ".join(re.findall(r"[a-z0-9]+", name.lower()))
    return next((role for role, form in _ROLES if re.fullmatch(form, plain)), None)


def _values(values: object, name: object, file_name: str) -> list[int]:
    found = values if isinstance(values, list | tuple) else [values]
    if str(name).strip().lower() == "ignore":
        raise LayoutError(
            f"{file_name} has an 'ignore' label; voxels without a verdict cannot be read, "
            "so leave those cases out."
        )
    if not all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in found):
        raise LayoutError(f"{file_name} gives {values!r} for the label {name}; it needs numbers.")
    return list(found)
