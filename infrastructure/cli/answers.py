"""`show`, `deletion`, `devices`, `history`, `blame`: answers about one profile."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from .options import Context, cut_options, json_option, pass_context, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from profilestore.domain.profile import Profile
    from profilestore.infrastructure.store import ProfileStore
    from profilestore.projections.answer import Answer


def _of_profile(function: Callable[[Profile], Answer]) -> click.Command:
    """Make a command of a function from a profile to an answer."""

    def answer(store: ProfileStore, space: str, profile: str, **cut: Any) -> Answer:
        return function(store.profile(space, profile, **cut))

    return _answer(update_wrapper(answer, function))


def _answer(function: Callable[..., Answer]) -> click.Command:
    """Make a command of a function from a store, a name and a cut to an answer."""

    @json_option
    @cut_options
    @click.argument("space")
    @click.argument("profile")
    @pass_context
    def command(context: Context, /, space: str, profile: str, **cut: Any) -> None:
        with context.open() as store:
            answer = function(store, space, profile, **cut)
        if context.json:
            print_json(answer.to_json())
        else:
            from .render import render

            render(answer)

    return click.command(function.__name__)(update_wrapper(command, function))


@_answer
def show(store: ProfileStore, space: str, profile: str, **cut: Any) -> Answer:
    """Show what PROFILE in API space SPACE is."""
    return store.current(space, profile, **cut)


@_of_profile
def deletion(profile: Profile) -> Answer:
    """Show whether PROFILE is deleted, since when and by whom."""
    from profilestore.projections.deletion import deletion_status

    return deletion_status(profile)


@_of_profile
def devices(profile: Profile) -> Answer:
    """Show whether PROFILE can be pushed to, and if not, why."""
    from profilestore.projections.devices import device_push

    return device_push(profile)


@_of_profile
def history(profile: Profile) -> Answer:
    """Show all events of PROFILE in the order of their source."""
    from profilestore.projections.history import history as project

    return project(profile)


@_of_profile
def blame(profile: Profile) -> Answer:
    """Show which event set each member of PROFILE's data."""
    from profilestore.projections.blame import blame as project

    return project(profile)
