"""What this computer may compute with: its number formats, and the switch that makes results alike on any processor.

============================== ======================================================================================
environment variable           meaning
============================== ======================================================================================
``ACSEG_PRECISION=float32``    "auto" precision is float32, whatever the processor or GPU has. Results then agree
                               between processors with and without bfloat16.
============================== ======================================================================================
"""

from __future__ import annotations

import os

from ACSegLib.errors import InputError

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
#: Environment variable: the precision that "auto" stands for.
PRECISION_VARIABLE = "ACSEG_PRECISION"


def default_precision(device: str) -> str:
    """Precision that "auto" stands for on a device: 16 bits only where the hardware computes in them.

    Returns
    -------
    str
        "bfloat16" where processor or GPU have it, "float16" on older GPUs, else "float32"; always "float32" where the
        environment variable ``ACSEG_PRECISION`` says so.

    Raises
    ------
    InputError
        If the environment variable has another value than "auto" or "float32".
    """
    if float32_only():
        return "float32"
    if device.startswith("cuda"):
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return "bfloat16" if has_bfloat16() else "float32"


def has_bfloat16() -> bool:
    """Tell whether networks may compute in bfloat16 on this processor: natively, and the person has not refused it."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    native = any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))
    return native and not float32_only()


def float32_only() -> bool:
    """Tell whether the environment variable asks for float32 wherever nothing else is asked for."""
    value = os.environ.get(PRECISION_VARIABLE, "").strip().lower()
    if value not in ("", "auto", "float32"):
        raise InputError(f"the environment variable {PRECISION_VARIABLE} must be auto or float32, not {value!r}.")
    return value == "float32"
