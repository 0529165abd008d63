"""Everything that can go wrong for a user, as one tree of exceptions.

Each message is one sentence that names the file (its name, never its folder: folders carry
patients' names), the value that was wrong, and what to do about it.
"""

from __future__ import annotations


class ParetoSegError(Exception):
    """Base of every error that is the user's to read; commands print it and exit with 1."""


class UsageError(ParetoSegError):
    """The command line asks for something that does not exist or does not fit together (exit 2)."""


class ConfigError(UsageError):
    """A configuration file or override names an unknown key or a value out of range."""


class ImageReadError(ParetoSegError):
    """A file is missing, empty, truncated, not an image, or holds values no image has."""


class GeometryError(ParetoSegError):
    """An image's grid is missing, absurd, or cannot be matched with the others."""


class LabelError(ParetoSegError):
    """A label image holds values that its scheme does not define."""


class LayoutError(ParetoSegError):
    """A data folder does not look like any layout, or like the one that was named."""


class ModelFolderError(ParetoSegError):
    """A model folder is incomplete, altered, of an unknown version, or asks for the absurd."""


class DeviceError(ParetoSegError):
    """The device that was asked for is not there or ran out of memory without a way back."""


class OutputError(ParetoSegError):
    """The output folder cannot be written."""


class TrainingError(ParetoSegError):
    """Training cannot start or go on."""
