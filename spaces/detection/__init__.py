"""Loss and decoding of detectors that give one vector for each cell of a grid, without anchors."""
