"""Whether a contract has what a test or a fault names: a misspelt name would make it void."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from callmocks.contract.quoting import quote_text
from callmocks.contract.similar_names import suggest_name

# Names of the fields of a request, by operation; None where the contract does not tell them.
Operations = Mapping[str, tuple[str, ...] | None]


class UnlistedName(NamedTuple):
    """``reason`` names what was probably meant."""

    member: Literal["operation", "fields"]
    reason: str


def find_unlisted_name(
    contracts: Mapping[str, Operations], operation: str | None, fields: Iterable[str] = ()
) -> UnlistedName | None:
    """The first name that none of the contracts, by provider, has.

    Without an operation, a field may be of any.
    """
    title, listed = ", ".join(contracts), list(contracts.values())
    if operation is not None:
        listed = [{operation: each[operation]} for each in listed if operation in each]
        if not listed:
            known = [name for operations in contracts.values() for name in operations]
            text = f"{title}: the contract has no operation {quote_text(operation)}"
            return UnlistedName("operation", f"{text}; {_suggest(operation, known)}")
        title = operation
    field_lists = [names for operations in listed for names in operations.values()]
    if operation is not None and None in field_lists:
        return None
    known_fields = list(dict.fromkeys(name for names in field_lists for name in names or ()))
    for field in fields:
        if field not in known_fields:
            text = f"{title}: the contract has no {quote_text(field)} in a request"
            members = [name for name in known_fields if name.startswith(f"{field}.")]
            if members:
                return UnlistedName("fields", f"{text}; name its members, such as {members[0]}")
            return UnlistedName("fields", f"{text}; {_suggest(field, known_fields)}")
    return None


def _suggest(name: str, known: list[str]) -> str:
    return f"{suggest_name(name, known)} (unlisted=true allows it)"
