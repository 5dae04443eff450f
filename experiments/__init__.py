"""One launcher a part of the guide; each joins a subject with data and training."""
