"""How a network's time, memory, parameters and multiply-adds divide among layers and operators."""
