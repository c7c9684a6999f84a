"""Number formats a candidate can be deployed in. The runtime's own quantizer does the work."""

from spaces.table import Table

QUANTIZATIONS = Table(
    "quantization",
    {
        "none": "spaces.quantization.none:NoQuantization",
        "dynamic": "spaces.quantization.dynamic:Dynamic",
        "static": "spaces.quantization.static:Static",
        "qat": "spaces.quantization.qat:Qat",
        "float16": "spaces.quantization.float16:Float16",
        "bfloat16": "spaces.quantization.bfloat16:BFloat16",
        "weight_only": "spaces.quantization.weight_only:WeightOnly",
    },
)
