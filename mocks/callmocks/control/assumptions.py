"""The ledger of assumptions over the admin API."""

from typing import Annotated

import msgspec
from msgspec import Meta

from callmocks.contract.assumptions import Assumption, load_ledger
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext, Route
from callmocks.errors import SettingsError


class AssumptionView(msgspec.Struct):
    """One thing nobody outside the vendor knows, and what callmocks does."""

    id: str
    provider: str
    statement: Annotated[str, Meta(description="What is taken to be true.")]
    why: Annotated[str, Meta(description="What there is to go by.")]
    evidence: Annotated[
        str,
        Meta(description="``assumed``: documented and observed behaviour is not in the ledger."),
    ]
    default: str
    alternatives: Annotated[
        list[str], Meta(description="What else can be chosen; ``*`` stands for any text.")
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

    choice: Annotated[str, Meta(description="The default or one of the alternatives.")]


async def list_assumptions(context: RequestContext) -> AssumptionList:
    return AssumptionList([describe_assumption(entry) for entry in load_ledger().values()])


async def list_choices(context: RequestContext) -> ChoiceList:
    chosen = context.tenant.assumptions
    return ChoiceList(
        [_describe_choice(entry, chosen.choices[entry.id]) for entry in load_ledger().values()]
    )


async def set_choice(context: RequestContext) -> ChoiceView:
    name = context.path_part("assumption")
    entry = load_ledger().get(name)
    if entry is None:
        raise ProblemError(404, f"no assumption {name!r} in the ledger", where="assumption")
    try:
        await context.change_tenant(
            lambda tenant: tenant.assumptions.set_choice(name, context.body.choice)
        )
    except SettingsError as error:
        raise ProblemError(422, str(error), where="$.choice") from None
    return _describe_choice(entry, context.body.choice)


def describe_assumption(entry: Assumption) -> AssumptionView:
    return AssumptionView(
        entry.id,
        entry.provider,
        entry.statement,
        entry.why,
        "assumed",
        entry.default,
        list(entry.alternatives),
    )


def _describe_choice(entry: Assumption, choice: str) -> ChoiceView:
    return ChoiceView(**msgspec.structs.asdict(describe_assumption(entry)), choice=choice)


_CHOICES = "/api/tenants/{tenant}/assumptions"

ROUTES = [
    Route(
        "GET",
        "/api/assumptions",
        "The ledger",
        list_assumptions,
        "assumptions_listing",
        response=AssumptionList,
    ),
    Route(
        "GET",
        _CHOICES,
        "The ledger with a tenant's choices",
        list_choices,
        "assumptions_choices",
        response=ChoiceList,
    ),
    Route(
        "PUT",
        f"{_CHOICES}/{{assumption}}",
        "Choose for a tenant",
        set_choice,
        "assumptions_choose",
        body=Choice,
        response=ChoiceView,
    ),
]
