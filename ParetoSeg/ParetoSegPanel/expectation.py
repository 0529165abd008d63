"""What a model will do with the sequences at hand, said before anyone presses the button."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from slicer.i18n import tr as _

from ParetoSegLib.core.labels import MODALITIES, REFERENCE_ORDER, REGIONS, presence_key
from ParetoSegPanel.model_summary import ModelSummary
from ParetoSegPanel.wording import capitalised, listed, region_name, sequence_name


@dataclass(frozen=True)
class Expectation:
    """Args:
    possible: whether the model can assess anything.
    sentence: for the line under the selectors.
    """

    possible: bool
    sentence: str


def expect(model: ModelSummary | None, present: Collection[str]) -> Expectation:
    """Say what will come out, or what is missing.

    The rules are the pipeline's (``ParetoSegLib/pipeline.py``): sequences that the model has never
    seen are left out, the reference must not be one of them, and enhancement is never assessed
    without a contrast-enhanced image.

    Args:
        model: ``None`` if none is chosen.
        present: the sequences that are selected.
    """
    if not present:
        return Expectation(
            False, _("Choose at least one image; T1c shows metastases best, FLAIR the edema.")
        )
    if model is None:
        return Expectation(False, _("Choose a model folder."))
    used = [m for m in MODALITIES if m in present and m in model.modalities]
    unknown = [m for m in MODALITIES if m in present and m not in model.modalities]
    reference = next(m for m in REFERENCE_ORDER if m in present)
    if reference in unknown:
        return Expectation(
            False,
            _(
                "The model was not trained on {sequence}, which the result would be aligned to; "
                "leave it out or choose another model."
            ).format(sequence=sequence_name(reference)),
        )
    claimed = model.assessable.get(presence_key(used), ())
    regions = [r for r in REGIONS if r in claimed and (r != "et" or "t1c" in used)]
    if not regions:
        return Expectation(
            False,
            _("The model can assess nothing from {sequences} alone; add another sequence.").format(
                sequences=_names(used)
            ),
        )
    sentences = [
        _("Segments {regions} from {sequences}.").format(
            regions=listed(map(region_name, regions)), sequences=_names(used)
        )
    ]
    left = [r for r in REGIONS if r not in regions]
    if "et" in left and "t1c" not in used:
        sentences.append(
            _("Without T1c, {region} cannot be assessed.").format(region=region_name("et"))
        )
        left.remove("et")
    if left:
        sentences.append(
            _("{regions} cannot be assessed by this model from these images.").format(
                regions=capitalised(listed(map(region_name, left)))
            )
        )
    absent = [m for m in model.modalities if m not in present and m != "t1c"]
    if absent:
        sentences.append(_("Works without {sequences}.").format(sequences=_names(absent)))
    if unknown:
        sentences.append(
            _("The model does not know {sequences}; left out.").format(sequences=_names(unknown))
        )
    return Expectation(True, " ".join(sentences))


def _names(modalities: Collection[str]) -> str:
    return listed(map(sequence_name, modalities))
