"""Every command takes --data, so that a script can give it to all of them."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from appliance.cli import cli


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield " ".join((*path, name)), found


ALL = dict(commands(cli))


def test_there_are_commands() -> None:
    assert "disc create" in ALL


@pytest.mark.parametrize("name", sorted(ALL))
def test_it_takes_a_data_folder(name: str) -> None:
    assert any("--data" in parameter.opts for parameter in ALL[name].params)
