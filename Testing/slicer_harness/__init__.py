"""Slicer without Slicer: the real MRML scene and logics, with PySide6 standing in for its Qt."""
