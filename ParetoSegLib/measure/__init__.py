"""What can be said about a membership map: lesions, confidence, metrics. No torch."""
