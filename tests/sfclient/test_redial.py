"""A call that is redialled: when, after which pause, and what goes on over the attempts."""
