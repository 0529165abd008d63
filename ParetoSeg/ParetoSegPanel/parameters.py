"""What the panel remembers in the scene, so that a saved study opens as it was left."""

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from ParetoSegPanel.choices import AUTO_DEVICE, CONTOURS, CORE, NESTED


@parameterNodeWrapper
class ParetoSegParameters:
    """One for each scene; the attribute names are those of the widgets' SlicerParameterName.

    Args:
        t1c: contrast-enhanced T1; like the next three, ``None`` where there is none.
        t1n: native T1.
        t2w: T2.
        t2f: T2-FLAIR.
        modelFolder: empty for the model that ships.
        device: ``auto``, ``cpu``, ``cuda:N`` or ``mps``.
        result: the result that is shown.
        segments: whether segments are whole regions or the parts they are made of.
        confidenceView: how confidence is shown.
        region: of which confidence is shown.
        opacity: of the confidence view.
        lowest: confidence below it is not coloured in the heat map.
        highest: confidence above it is not coloured in the heat map.
        alpha: the membership level at which the segmentation is cut.
        candidates: whether the table lists candidates.
        sortedBy: one of the table's ``ORDERS``.
        sortedDown: whether from large to small.
    """

    t1c: vtkMRMLScalarVolumeNode
    t1n: vtkMRMLScalarVolumeNode
    t2w: vtkMRMLScalarVolumeNode
    t2f: vtkMRMLScalarVolumeNode
    modelFolder: str = ""
    device: str = AUTO_DEVICE
    result: vtkMRMLSegmentationNode
    segments: str = NESTED
    confidenceView: str = CONTOURS
    region: str = CORE
    opacity: Annotated[float, WithinRange(0.0, 1.0)] = 1.0
    lowest: Annotated[float, WithinRange(0.0, 1.0)] = 0.0
    highest: Annotated[float, WithinRange(0.0, 1.0)] = 1.0
    alpha: Annotated[float, WithinRange(0.05, 0.95)] = 0.5
    candidates: bool = False
    sortedBy: str = "number"
    sortedDown: bool = False
