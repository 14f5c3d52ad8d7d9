"""The ledger of assumptions over the admin API."""

from typing import Annotated

import msgspec

from callmocks.contract.assumptions import (
    MAX_CHOICE_CHARS,
    Assumption,
    describe_unknown_assumption,
    load_ledger,
)
from callmocks.control.json_struct import doc
from callmocks.control.problems import ProblemError
from callmocks.control.routing import TENANT, RequestContext, RouteTable
from callmocks.errors import SettingsError


class AssumptionView(msgspec.Struct):
    """One thing nobody outside the vendor knows, and what callmocks does."""

    id: str
    provider: str
    topic: Annotated[str, doc("Under which the dashboard shows it.")]
    statement: Annotated[str, doc("What is taken to be true.")]
    why: Annotated[str, doc("What there is to go by.")]
    evidence: Annotated[
        str, doc("``assumed``: documented and observed behaviour is not in the ledger.")
    ]
    default: str
    alternatives: Annotated[list[str], doc("What else can be chosen; ``*`` stands for any text.")]
    no_alternative: Annotated[str, doc("Why there are no alternatives; empty when there are.")]
    fields: Annotated[
        dict[str, str],
        doc("Where a choice is a list of columns: what they may show, by type; empty elsewhere."),
    ]


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

    choice: Annotated[
        str,
        doc(
            "The default or one of the alternatives; as any text a line of at most "
            f"{MAX_CHOICE_CHARS} characters that XML can hold."
        ),
    ]


_CHOICES = f"{TENANT}/assumptions"
ROUTES = RouteTable()


@ROUTES.add("GET", "/api/assumptions", "The ledger", "assumptions_listing")
async def list_assumptions(context: RequestContext) -> AssumptionList:
    return AssumptionList([describe_assumption(entry) for entry in load_ledger().values()])


@ROUTES.add("GET", _CHOICES, "The ledger with a tenant's choices", "assumptions_choices")
async def list_choices(context: RequestContext) -> ChoiceList:
    chosen = context.tenant.assumptions.choices
    return ChoiceList([_describe_choice(each, chosen[each.id]) for each in load_ledger().values()])


@ROUTES.add(
    "PUT", f"{_CHOICES}/{{assumption}}", "Choose for a tenant", "assumptions_choose", body=Choice
)
async def set_choice(context: RequestContext) -> ChoiceView:
    name, choice = context.path_part("assumption"), context.body.choice
    entry = load_ledger().get(name)
    if entry is None:
        raise ProblemError(404, describe_unknown_assumption(name), where="assumption")
    try:
        await context.change_tenant(lambda tenant: tenant.assumptions.set_choice(name, choice))
    except SettingsError as error:
        raise ProblemError(422, str(error), where="$.choice") from None
    return _describe_choice(entry, choice)


def describe_assumption(entry: Assumption) -> AssumptionView:
    return AssumptionView(**msgspec.structs.asdict(entry), evidence="assumed")


def _describe_choice(entry: Assumption, choice: str) -> ChoiceView:
    return ChoiceView(**msgspec.structs.asdict(describe_assumption(entry)), choice=choice)
