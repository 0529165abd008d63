"""ParetoSeg without a window: segment brain metastases, train networks, measure both."""

__version__ = "0.1.0"
