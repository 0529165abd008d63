"""The method: fuzzy labels, curriculum, region losses, Pareto balance. Arrays, not files."""
