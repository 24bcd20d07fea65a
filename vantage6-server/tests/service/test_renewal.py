"""How long refresh tokens are good."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import Factory
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.exceptions import Unauthorized
from vantage6.server.model import Node, RefreshToken, User
from vantage6.server.permission.catalogue import Kind
from vantage6.server.service import renewal

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def node(make: Factory) -> Node:
    hospital = make.organization()
    return make.node(hospital, make.collaboration(hospital))


def test_a_node_goes_on_for_years_with_the_first_token_it_got(session: Session, node: Node) -> None:
    token_id = renewal.begin(session, Kind.NODE, node.id, at=NOON)
    for number in range(1, 40):
        at = NOON + number * timedelta(days=29)
        renewal.extend(session, Kind.NODE, node.id, token_id, at=at)


@pytest.mark.parametrize(
    ("kind", "life"), [(Kind.USER, timedelta(hours=48)), (Kind.NODE, timedelta(days=30))]
)
def test_a_token_that_is_not_used_ends(
    session: Session, user: User, kind: Kind, life: timedelta
) -> None:
    token_id = renewal.begin(session, kind, user.id, at=NOON)
    with pytest.raises(Unauthorized):
        renewal.extend(session, kind, user.id, token_id, at=NOON + life)
    renewal.extend(session, kind, user.id, token_id, at=NOON + life - timedelta(seconds=1))


def test_a_token_is_good_for_its_owner_alone(session: Session, user: User, node: Node) -> None:
    token_id = renewal.begin(session, Kind.USER, user.id, at=NOON)
    for id_, wanted in ((node.id, token_id), (user.id, "x"), (user.id, None)):
        with pytest.raises(Unauthorized):
            renewal.extend(session, Kind.USER, id_, wanted, at=NOON)


def test_what_has_ended_is_forgotten(session: Session, user: User) -> None:
    renewal.begin(session, Kind.USER, user.id, at=NOON)
    later = renewal.begin(session, Kind.USER, user.id, at=NOON + timedelta(days=3))
    assert session.scalars(select(RefreshToken.token_id)).all() == [later]
