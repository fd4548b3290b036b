"""Whether all that a recipe uses may be used commercially, as far as licences say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from polysee.recipe.models import Recipe
from polysee.recipe.opening import open_source
from polysee.schema.errors import UserError
from polysee.schema.licences import is_non_commercial
from polysee.services.licences import UNKNOWN


@dataclass(frozen=True, slots=True)
class LicensedPart:
    """A source or a service of a recipe, with the licence of what comes from it."""

    what: str
    licence: str


def licences(recipe: Recipe) -> Iterator[LicensedPart]:
    """Every source and service that has a say, in the order of the recipe. Opens sources, as a plan does; their
    files need not be there."""
    for source in recipe.sources:
        yield LicensedPart(f"the source {source.name!r}", open_source(source, recipe.seed).licence or UNKNOWN)
    for service in recipe.services:
        yield LicensedPart(f"the service {service.name!r} ({service.model_name})", service.effective_licence)


def check_commercial(recipe: Recipe) -> list[LicensedPart]:
    """The parts whose licence nobody told. Raises `UserError` that names all that forbid commercial use."""
    parts = list(licences(recipe))
    refused = [part for part in parts if is_non_commercial(part.licence)]
    if refused:
        names = ", ".join(f"{part.what} is {part.licence}" for part in refused)
        raise UserError(
            f"not for commercial use: {names}",
            "use others in their place (google/madlad400-3b-mt translates under Apache-2.0), or leave out --purpose",
        )
    return [part for part in parts if part.licence == UNKNOWN]
