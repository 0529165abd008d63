"""A worker that segments for another program: its messages, its files, its process."""
