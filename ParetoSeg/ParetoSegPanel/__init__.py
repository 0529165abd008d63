"""What the ParetoSeg module shows and does inside Slicer, one idea a file; never loads PyTorch."""
