"""Pictures from arrays, in one house style; only launchers import them."""
