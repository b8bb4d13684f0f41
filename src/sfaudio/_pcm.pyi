from typing import Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer

# numpy declares its arrays to be buffers from Python 3.12 on only.
_Samples: TypeAlias = Buffer | NDArray[Any]
_Out = TypeVar("_Out", bound=_Samples)
_Rule: TypeAlias = Literal["wire", "symmetric"]

@overload
def float32_to_int16(
    src: _Samples, out: None = None, *, rule: _Rule = "wire"
) -> NDArray[np.int16]: ...
@overload
def float32_to_int16(src: _Samples, out: _Out, *, rule: _Rule = "wire") -> _Out: ...
@overload
def int16_to_float32(src: _Samples, out: None = None) -> NDArray[np.float32]: ...
@overload
def int16_to_float32(src: _Samples, out: _Out) -> _Out: ...
def _kernel_levels() -> tuple[str, ...]: ...
def _kernel_level() -> str: ...
def _force_kernel_level(name: str) -> None: ...
