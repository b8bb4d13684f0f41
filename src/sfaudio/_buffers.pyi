from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray
from typing_extensions import Buffer

# numpy declares its arrays to be buffers from Python 3.12 on only.
_Samples: TypeAlias = Buffer | NDArray[Any]
_Out = TypeVar("_Out", bound=_Samples)
