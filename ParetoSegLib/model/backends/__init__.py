"""What runs a network: PyTorch on any device, OpenVINO on a CPU."""
