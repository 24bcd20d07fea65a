"""What is asked, and what has to come back: worked out here, not by the algorithm."""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from development.soak.houses import COLLABORATIONS, House

#: Characters of a payload that is above the size from which on payloads are uploaded.
LARGE = 1_500_000
_SMALL = 100
_MODULUS = 1_000_003
_LONGEST_SECONDS = 1.0
# The share of questions to several organizations that do not wait for all of them.
_FEWER = 0.5


@dataclass(frozen=True, eq=False)
class Question:
    """One task for the algorithm.

    Attributes
    ----------
    number : int
    collaboration : str
    method : str
        `partial`, or `central` with a run at each organization beside its own.
    asker : House
        Whose researcher asks.
    asked : tuple of House
        Where it shall run.
    kwargs : dict
    runs : int
        How many runs it takes.
    quorum : int, optional
        How many of those asked have to answer, if not all.
    """

    number: int
    collaboration: str
    method: str
    asker: House
    asked: tuple[House, ...]
    kwargs: dict[str, Any]
    runs: int
    quorum: int | None = None

    @property
    def is_large(self) -> bool:
        """Whether a payload of it is kept apart from the database."""
        return max(len(self.kwargs["load"]), self.kwargs["answer_size"]) >= LARGE

    def name(self, attempt: int) -> str:
        """What its task is called."""
        return f"question {self.number} attempt {attempt}"

    def expected(self, houses: Sequence[House], attempt: int) -> dict[str, Any]:
        """The right answers, by the names of the organizations.

        Parameters
        ----------
        houses : sequence of House
            All.
        attempt : int
        """
        if self.method == "partial":
            return {house.name: self._partial(house, self.name(attempt)) for house in self.asked}
        parts = [self._partial(house, f"{self.name(attempt)}/partial") for house in houses]
        whole = {
            "sum": sum(part["sum"] for part in parts) % _MODULUS,
            "read": [part["read"] for part in parts],
            "load": sum(len(part["load"]) for part in parts),
        }
        return {house.name: whole for house in self.asked}

    def is_right(self, answers: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
        """Whether as many answered as have to, and each of them right.

        Parameters
        ----------
        answers, expected : mapping
            Answers by the names of organizations.
        """
        needed = len(self.asked) if self.quorum is None else self.quorum
        return len(answers) == needed and not wrong_ones(answers, expected)

    def _partial(self, house: House, name: str) -> dict[str, Any]:
        total = sum(number ** self.kwargs["power"] for number in house.numbers)
        half = self.kwargs["answer_size"] // 2
        return {
            "sum": total % _MODULUS,
            "read": hashlib.sha256(self.kwargs["load"].encode()).hexdigest(),
            "load": random.Random(name).randbytes(half).hex(),
        }


def wrong_ones(answers: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """The names of organizations whose answers are not what was expected of them."""
    return [name for name, one in answers.items() if name not in expected or one != expected[name]]


def questions(houses: Sequence[House], chance: random.Random, large: float) -> Iterator[Question]:
    """Questions without an end.

    Parameters
    ----------
    houses : sequence of House
    chance : random.Random
    large : float
        The share of those with large payloads, half of them in the question.
    """
    for number in count(1):
        method = chance.choice(("partial", "partial", "central"))
        places = 1 if method == "central" else chance.randint(1, len(houses))
        question = Question(
            number,
            chance.choice(COLLABORATIONS),
            method,
            chance.choice(houses),
            tuple(sorted(chance.sample(houses, places), key=houses.index)),
            _kwargs(chance, large),
            runs=1 + len(houses) if method == "central" else places,
        )
        # Payloads of a question whose runs go on cannot be deleted, and their disk is small.
        if places > 1 and not question.is_large and chance.random() < _FEWER:
            question = replace(question, quorum=chance.randint(1, places - 1))
        yield question


def _kwargs(chance: random.Random, large: float) -> dict[str, Any]:
    draw = chance.random()
    sizes = {"load": LARGE if draw < large / 2 else _SMALL}
    sizes["answer"] = LARGE if large / 2 <= draw < large else _SMALL
    return {
        "power": chance.randint(1, 9),
        "modulus": _MODULUS,
        "seconds": round(chance.random() ** 3 * _LONGEST_SECONDS, 3),
        "load": f"{chance.getrandbits(64):016x}" * (sizes["load"] // 16),
        "answer_size": sizes["answer"],
    }
