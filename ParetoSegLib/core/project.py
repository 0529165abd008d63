"""Who and where this project is, in one place; a test holds the other files to it."""

from __future__ import annotations

NAME = "ParetoSeg"
HOMEPAGE = "https://github.com/ParetoSeg/SlicerParetoSeg"
CONTRIBUTORS = "ParetoSeg developers"
DISCLAIMER = "For research use; not a medical device."
