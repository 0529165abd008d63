"""A case and where it comes from: files, folder layouts, preprocessing, synthesis. No torch."""
