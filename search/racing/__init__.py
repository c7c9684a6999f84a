"""Racing: trials are compared while they train, and those that fall behind wait."""
