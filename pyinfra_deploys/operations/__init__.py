"""Our operations: nouns of the thing, state by keywords; each is a no-op the second time."""
