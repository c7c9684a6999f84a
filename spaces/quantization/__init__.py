"""Number formats a candidate can be deployed in. The runtime's own quantizer does the work."""

from spaces.table import Table

QUANTIZATIONS = Table(
    "quantization",
    {
        "none": "spaces.quantization.none:NoQuantization",
        "dynamic": "spaces.quantization.dynamic:Dynamic",
        "static": "spaces.quantization.static:Static",
    },
)
