"""Recipe, augmentation, loss, sampling, the cache of frozen stages, and the phases of a run."""
