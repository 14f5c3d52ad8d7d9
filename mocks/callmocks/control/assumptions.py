"""The ledger of assumptions over the admin API."""

import msgspec

from callmocks.contract.assumptions import Assumption, ledger
from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call, Operation
from callmocks.errors import SettingsError


class AssumptionView(msgspec.Struct):
    """One thing nobody outside the vendor knows, and what callmocks does."""

    id: str
    provider: str
    statement: str
    """What is taken to be true."""
    why: str
    """What there is to go by."""
    evidence: str
    """``assumed``: documented and observed behaviour is not in the ledger."""
    default: str
    alternatives: list[str]
    """What else can be chosen; ``*`` stands for any text."""


class AssumptionList(msgspec.Struct):
    """The ledger."""

    assumptions: list[AssumptionView]


class ChoiceView(AssumptionView):
    """An assumption and what a tenant chose."""

    choice: str


class ChoiceList(msgspec.Struct):
    """The ledger with a tenant's choices."""

    assumptions: list[ChoiceView]


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """What a tenant shall take to be true."""

    choice: str
    """The default or one of the alternatives."""


async def listing(call: Call) -> AssumptionList:
    """The ledger."""
    return AssumptionList([view(entry) for entry in ledger().values()])


async def choices(call: Call) -> ChoiceList:
    """The ledger with a tenant's choices."""
    chosen = call.tenant.assumptions
    return ChoiceList([_choice(entry, chosen.choice(entry.id)) for entry in ledger().values()])


async def choose(call: Call) -> ChoiceView:
    """Choose for a tenant."""
    name = call.part("assumption")
    entry = ledger().get(name)
    if entry is None:
        raise RefusedError(404, f"no assumption {name!r} in the ledger", where="assumption")
    try:
        await call.change(lambda tenant: tenant.assumptions.choose(name, call.body.choice))
    except SettingsError as error:
        raise RefusedError(422, str(error), where="$.choice") from None
    return _choice(entry, call.body.choice)


def view(entry: Assumption) -> AssumptionView:
    """An assumption as the admin API shows it."""
    return AssumptionView(
        entry.id,
        entry.provider,
        entry.statement,
        entry.why,
        "assumed",
        entry.default,
        list(entry.alternatives),
    )


def _choice(entry: Assumption, choice: str) -> ChoiceView:
    return ChoiceView(**msgspec.structs.asdict(view(entry)), choice=choice)


_CHOICES = "/api/tenants/{tenant}/assumptions"

OPERATIONS = [
    Operation("GET", "/api/assumptions", "The ledger", listing, answer=AssumptionList),
    Operation("GET", _CHOICES, "The ledger with a tenant's choices", choices, answer=ChoiceList),
    Operation(
        "PUT",
        f"{_CHOICES}/{{assumption}}",
        "Choose for a tenant",
        choose,
        body=Choice,
        answer=ChoiceView,
    ),
]
