"""The policy of one house, as its owner configured it."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from vantage6.node.policy.images import matches, spellings
from vantage6.node.rules import Rules

Patterns = tuple[re.Pattern[str], ...]

_NOBODYS_NAMES = ("nobody.invalid/nothing/f2c8a31b:0d9e",)


@dataclass(frozen=True)
class ImageRule:
    """What is different for the images that a pattern means.

    Attributes
    ----------
    image : re.Pattern
    methods : tuple of re.Pattern, optional
        In place of those of the policy; None: as there.
    rules : Rules
        In place of those of the policy.
    """

    image: re.Pattern[str]
    methods: Patterns | None = None
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Policy:
    """What the owner of a node allows. By default nothing.

    Attributes
    ----------
    images : tuple of re.Pattern
        One has to match the whole name of an image.
    all_images : bool
        Whether an image needs no match at all.
    pickle : bool
        Whether inputs may be pickles, or RDS of R: reading either can run code.
    organizations, users : tuple of int or str, optional
        Ids as numbers, names as text; None: anybody.
    methods : tuple of re.Pattern, optional
        One has to match the whole name of the method; None: any.
    trust_server : bool
        Whether the server's word counts on who asked.
    rules : Rules
        For images that have none of their own.
    exceptions : tuple of ImageRule
        The first that matches counts.
    """

    images: Patterns = ()
    all_images: bool = False
    pickle: bool = False
    organizations: tuple[int | str, ...] | None = None
    users: tuple[int | str, ...] | None = None
    methods: Patterns | None = None
    trust_server: bool = False
    rules: Rules = field(default_factory=Rules)
    exceptions: tuple[ImageRule, ...] = ()

    @property
    def refuses_all(self) -> bool:
        """Whether no image at all can pass."""
        return not (self.images or self.all_images)

    @property
    def refuses_all_users(self) -> bool:
        """Whether users are restricted, and nobody is believed who they are."""
        return self.users is not None and not self.trust_server

    @property
    def allows_anything(self) -> bool:
        """Whether an image passes that nobody can have meant."""
        return self.all_images or any(matches(one, _NOBODYS_NAMES) for one in self.images)

    @property
    def restricts_methods(self) -> bool:
        """Whether some method may be refused, so that each input has to be read."""
        return self.methods is not None or any(one.methods is not None for one in self.exceptions)

    @property
    def needs_name(self) -> bool:
        """Whether the server's word for the name of an organization counts for anything."""
        names = (isinstance(entry, str) for entry in self.organizations or ())
        return self.trust_server and any(names)

    def exception(self, image: str, digests: Collection[str] = ()) -> ImageRule | None:
        """What is different for an image, if anything is.

        Raises
        ------
        ValueError
            When this cannot be the name of an image.
        """
        if not self.exceptions:
            return None
        names = spellings(image, digests)
        return next((rule for rule in self.exceptions if matches(rule.image, names)), None)

    def rules_for(self, image: str, digests: Collection[str] = ()) -> Rules:
        """The limits and exceptions for the containers of an image.

        Raises
        ------
        ValueError
            When this cannot be the name of an image.
        """
        exception = self.exception(image, digests)
        return exception.rules if exception else self.rules
