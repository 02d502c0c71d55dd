"""Facts written down: snapshots and baselines, to be judged later and elsewhere, without the file."""
