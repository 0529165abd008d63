"""Networks, the model folder on disk, training, inference, calibration."""
