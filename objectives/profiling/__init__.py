"""Where a network's time, memory, parameters and multiply-adds go, by layer and by operator."""
