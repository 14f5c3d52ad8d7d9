"""1C-Connect ``PartnerWebAPI2``: the mock service, and a codec of its values for clients.

The names below need nothing but lxml and stay as they are::

    from callmocks.onec import read_answer

    answer = read_answer(response.content)
    for call in answer["ResultData"].records():
        print(call["CallTime"], call["Duration"])
"""

from callmocks.onec.decoder import SoapFault, read_answer, read_structure, read_value
from callmocks.onec.encoder import write_structure, write_value
from callmocks.onec.values import (
    EMPTY_DATE,
    NULL,
    Array,
    BadValue,
    Column,
    FixedArray,
    FixedMap,
    FixedStructure,
    Map,
    Number,
    Structure,
    Text,
    TreeRow,
    TypeDescription,
    Value,
    ValueTable,
    ValueTree,
)

__all__ = ["SoapFault", "read_answer", "read_structure", "read_value"]
__all__ += ["write_structure", "write_value"]
__all__ += ["EMPTY_DATE", "NULL", "BadValue", "Value"]
__all__ += ["Array", "FixedArray", "FixedMap", "FixedStructure", "Map", "Structure"]
__all__ += ["Column", "Number", "Text", "TreeRow", "TypeDescription", "ValueTable", "ValueTree"]
