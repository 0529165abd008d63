"""What every room may use: errors, names, grids, images, configuration. No torch."""
