"""How sure the boundary is, shown in the views: outlines, heat map or coloured surface.

One result shows its confidence at a time. What it changes of the user's own (layers, opacity, the
fill of the segments) is remembered in the scene and comes back when it is switched off.
"""

from __future__ import annotations

from typing import Any

from ParetoSegPanel import contour_pair, heat_map, margin_surface, result_display
from ParetoSegPanel.isosurface import shown_steps
from ParetoSegPanel.live_segmentation import LiveSegmentation
from ParetoSegPanel.result_nodes import CaseNodes

MODES = ("off", "contours", "heat", "surface")
"""Nothing; certain and possible outline; heat map; coloured 3-D surface."""

DEFAULT_OPACITY = {"off": 1.0, "contours": 1.0, "heat": 0.5, "surface": 1.0}

ALL_CONFIDENCES = (0.0, 1.0)

_ROLES = {
    "contours": contour_pair.ROLE,
    "heat": heat_map.ROLE,
    "surface": margin_surface.ROLE,
}


class ConfidenceView:
    """Shows one result's confidence and moves its segmentation.

    Args:
        case: the result; what was shown when its scene was saved is taken up.
    """

    def __init__(self, case: CaseNodes) -> None:
        self.case = case
        self._live: LiveSegmentation | None = None
        self._drawn: tuple[str, str] | None = None

    @property
    def live(self) -> LiveSegmentation:
        """The segmentation that follows α; made when first needed."""
        if self._live is None:
            self._live = LiveSegmentation(self.case)
        return self._live

    @property
    def mode(self) -> str:
        """One of ``MODES``."""
        return str(self._shown["mode"])

    @property
    def region(self) -> str:
        """The region that is, or would be, shown."""
        return str(self._shown["region"])

    @property
    def opacity(self) -> float:
        """Of outlines, foreground or surface."""
        return float(self._shown["opacity"])

    @property
    def thresholds(self) -> tuple[float, float]:
        """The confidences (low, high) that the heat map shows."""
        low, high = self._shown["thresholds"]
        return float(low), float(high)

    def show(
        self,
        mode: str = "contours",
        region: str | None = None,
        opacity: float | None = None,
        thresholds: tuple[float, float] = ALL_CONFIDENCES,
    ) -> None:
        """Show the confidence of a region; any other result's view is switched off first.

        Args:
            mode: one of ``MODES``.
            region: one of the case's; that of the lesions if ``None``.
            opacity: of lines, foreground layer or surface; the mode's own if ``None``.
            thresholds: the confidences that the heat map shows.

        Raises:
            ValueError: the mode is unknown, or the region could not be assessed.
        """
        region = region or self.case.region
        if mode not in MODES:
            raise ValueError(f"no such mode: {mode}; there are {', '.join(MODES)}")
        if region not in self.case.regions:
            raise ValueError(f"{region} could not be assessed in {self.case.name}")
        if mode == "off":
            self.hide()
            return
        CaseNodes.remove_orphans()
        for other in map(ConfidenceView, CaseNodes.all_in_scene()):
            if other.mode != "off" and other.case.record.node is not self.case.record.node:
                other.hide()
        if mode != self.mode:
            self._clear(self.mode)
        shown = {
            "mode": mode,
            "region": region,
            "opacity": DEFAULT_OPACITY[mode] if opacity is None else min(max(opacity, 0.0), 1.0),
            "thresholds": sorted(thresholds),
        }
        self.case.record.put("shown", shown)
        if self._drawn == (mode, region) and self.case.record.helper(_ROLES[mode]) is not None:
            self._style()  # sliders for opacity and thresholds need nothing drawn again
        else:
            self._draw()

    def hide(self) -> None:
        """Switch off: the user's own layers, opacity and visibility come back."""
        self._clear(self.mode)
        self.case.record.put("shown", {**self._shown, "mode": "off"})

    def set_alpha(self, alpha: float, lesion: int | None = None) -> None:
        """Move the segmentation, live; call ``settle`` when the slider comes to rest.

        Args:
            alpha: 0.05 … 0.95, in steps of 0.005.
            lesion: the one lesion to move; all that have no α of their own if ``None``.
        """
        self.live.set_alpha(alpha, lesion)

    def settle(self) -> None:
        """Bring what is too slow for a slider up to date: the surfaces in 3-D."""
        self.live.settle()
        if self.mode == "surface":
            self._draw()

    def set_shown(self, lesion: int, shown: bool) -> None:
        """Accept or reject a lesion or a candidate, in the segmentation and in what is shown.

        Raises:
            KeyError: there is no such lesion.
        """
        self.live.set_shown(lesion, shown)
        self.live.settle()
        self._draw()

    @property
    def held(self) -> tuple[int, ...]:
        """Lesions that were edited by hand; α leaves them as they are."""
        return self.live.notice_edits()

    def release(self, lesion: int) -> None:
        """Give up the edits of a lesion: it follows α again."""
        self.live.release(lesion)
        self.live.settle()

    @property
    def _shown(self) -> dict[str, Any]:
        default = {
            "mode": "off",
            "region": self.case.region,
            "opacity": 1.0,
            "thresholds": list(ALL_CONFIDENCES),
        }
        return {**default, **self.case.record.get("shown", {})}

    def _draw(self) -> None:
        mode, region, record = self.mode, self.region, self.case.record
        if mode == "off":
            return
        parts, cuts = self.case.field, self.case.levels
        label = self.live.shown(region, cuts)
        steps, grid = parts.membership[region], parts.crop
        levels = self.case.levels_of(region)
        result_display.make_way(self.case, mode, region)
        if mode == "surface":
            margin_surface.show_surface(
                record, steps, label, grid, region, cuts, levels, self.opacity
            )
        else:
            visible = shown_steps(steps, label)
            if mode == "contours":
                contour_pair.show_contours(record, visible, grid, region, levels, self.opacity)
            else:
                heat_map.show_heat_map(record, visible, grid, region, self.opacity, self.thresholds)
        self._drawn = (mode, region)

    def _style(self) -> None:
        record = self.case.record
        if self.mode == "contours":
            contour_pair.style_contours(record, self.opacity)
        elif self.mode == "heat":
            heat_map.style_heat_map(record, self.opacity, self.thresholds)
        else:
            margin_surface.style_surface(record, self.opacity)

    def _clear(self, mode: str) -> None:
        record = self.case.record
        self._drawn = None
        if mode == "contours":
            contour_pair.hide_contours(record)
        elif mode == "heat":
            heat_map.hide_heat_map(record)
        elif mode == "surface":
            margin_surface.hide_surface(record)
        result_display.restore(record)
