"""Number formats in which a candidate can be deployed; the runtime's own quantizer applies them."""

from paretune.spaces.table import Table

QUANTIZATIONS = Table(
    "quantization",
    {
        "none": "paretune.spaces.quantization.none:NoQuantization",
        "dynamic": "paretune.spaces.quantization.dynamic:Dynamic",
        "static": "paretune.spaces.quantization.static:Static",
        "qat": "paretune.spaces.quantization.qat:Qat",
        "float16": "paretune.spaces.quantization.float16:Float16",
        "bfloat16": "paretune.spaces.quantization.bfloat16:BFloat16",
        "weight_only": "paretune.spaces.quantization.weight_only:WeightOnly",
    },
)
