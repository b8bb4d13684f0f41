from typing import Any, SupportsIndex, TypeAlias, TypeVar

from numpy.typing import NDArray
from typing_extensions import Buffer

# numpy declares its arrays to be buffers from Python 3.12 on only.
_Samples: TypeAlias = Buffer | NDArray[Any]
_Out = TypeVar("_Out", bound=_Samples)
# A whole number of any type: 48000, numpy.int64(48000), 48000.0.
_Whole: TypeAlias = SupportsIndex | float

def whole_number(value: _Whole, name: str, unit: str) -> int: ...
