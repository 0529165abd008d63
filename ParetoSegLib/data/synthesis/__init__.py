"""Synthetic patients with brain metastases whose true partial-volume membership is known."""
