"""The configuration of a server: its keys and what they may hold."""

import re
import uuid
from ipaddress import ip_network
from typing import Any, ClassVar
from urllib.parse import urlsplit

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from vantage6.common.config import InstanceSchema, LoggingSchema

# Defaults that also hold where an application is made without a whole configuration.
MAX_LIST_SIZE = 10_000
MAX_BODY_SIZE = 1024**3
STOP_TIMEOUT = 8
MAX_FAILED_ATTEMPTS = 5
MAX_FAILED_ATTEMPTS_PER_ADDRESS = 50
INACTIVATION_MINUTES = 15
EMAIL_TOKEN_MINUTES = 60
MAILS_PER_HOUR = 500
# Of payloads: kept beside the database from here on, shown within JSON up to there.
STORED_FROM = 2**20
INLINE_LIMIT = 2**28
LARGEST_PAYLOAD = 100 * 2**30

# As browsers write it: in small letters, without a path. An asterisk is not one.
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")

TYPES = ("prod", "acc", "test", "dev")
# HS256 is as strong as its key is long; 32 bytes are what it is made for.
MINIMUM_SECRET_LENGTH = 32


def _check_uri(value: str) -> None:
    try:
        make_url(value)
    except ArgumentError as error:
        raise ValidationError("Not a database URI, such as sqlite:///default.sqlite") from error


def _check_network(value: str) -> None:
    try:
        ip_network(value)
    except ValueError as error:
        raise ValidationError("Not an address or a network, such as 10.1.0.0/16") from error


def _check_origin(value: str) -> None:
    if not _ORIGIN.fullmatch(value):
        raise ValidationError("Not an origin, such as https://portal.example.org")


def _check_rabbitmq(value: str) -> None:
    try:
        parts = urlsplit(value)
        complete = parts.scheme in ("amqp", "amqps") and all(
            (parts.username, parts.password, parts.hostname, parts.port, parts.path.strip("/"))
        )
    except ValueError:
        complete = False
    if not complete:
        raise ValidationError(
            "Must be like amqp://user:password@host:port/vhost, or amqps with TLS"
        )


class PasswordPolicySchema(Schema):
    """The `password_policy` block: how many wrong passwords before one has to wait."""

    class Meta:
        unknown = INCLUDE

    max_failed_attempts = fields.Integer(
        load_default=MAX_FAILED_ATTEMPTS,
        validate=validate.Range(min=1),
        metadata={
            "description": "Wrong passwords for one account from one address before it has to wait."
        },
    )
    max_failed_attempts_per_address = fields.Integer(
        load_default=MAX_FAILED_ATTEMPTS_PER_ADDRESS,
        validate=validate.Range(min=1),
        metadata={
            "description": "Failed log-ins from one address, for whatever account, before it has "
            "to wait. A key of ours."
        },
    )
    inactivation_minutes = fields.Integer(
        load_default=INACTIVATION_MINUTES,
        validate=validate.Range(min=1),
        metadata={"description": "How long it then has to wait, in minutes."},
    )


class MetricsSchema(Schema):
    """The `metrics` block: where Prometheus may ask how busy the server is."""

    class Meta:
        unknown = INCLUDE

    ip = fields.String(
        load_default="127.0.0.1",
        metadata={"description": "The address to listen on; whoever reaches it may read."},
    )
    port = fields.Integer(
        load_default=9464,
        validate=validate.Range(0, 65535),
        metadata={"description": "The port to listen on; 0 picks a free one, which the log names."},
    )


class _Switched(fields.Nested):
    """A block that may be switched on with `true`, which stands for all of its defaults."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is False:
            return None
        return super()._deserialize({} if value is True else value, *args, **kwargs)


class SmtpSchema(Schema):
    """The `smtp` block: the mail server, and the mails that go out."""

    class Meta:
        unknown = INCLUDE

    server = fields.String(
        load_default="localhost", metadata={"description": "The name of the mail server."}
    )
    port = fields.Integer(
        load_default=1025,
        validate=validate.Range(1, 65535),
        metadata={"description": "The port it listens on."},
    )
    username = fields.String(
        load_default="support@vantage6.ai",
        metadata={"description": "What to log in with, and who mails are from."},
    )
    password = fields.String(
        load_default="", metadata={"description": "Without one there is no log-in."}
    )
    MAIL_USE_TLS = fields.Boolean(
        load_default=True,
        metadata={"description": "Whether to turn to TLS after connecting (STARTTLS)."},
    )
    MAIL_USE_SSL = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether to speak TLS from the start; this one wins."},
    )
    ca_file = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "A file with the certificates of the authorities to trust, instead of "
            "those of the system. A key of ours."
        },
    )
    email_from = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Who mails are from, where that is not the username. A key of ours."
        },
    )
    email_token_validity_minutes = fields.Integer(
        load_default=EMAIL_TOKEN_MINUTES,
        validate=validate.Range(min=1),
        metadata={
            "description": "How long the token in a mail is good. As long no other one is mailed."
        },
    )
    max_mails_per_hour = fields.Integer(
        load_default=MAILS_PER_HOUR,
        validate=validate.Range(min=1),
        metadata={"description": "Mails to all users together. A key of ours."},
    )

    @validates_schema
    def _refuse_open_passwords(self, values: dict[str, Any], **_: Any) -> None:
        is_open = not values["MAIL_USE_TLS"] and not values["MAIL_USE_SSL"]
        is_near = values["server"] in ("localhost", "127.0.0.1", "::1")
        if values["password"] and is_open and not is_near:
            raise ValidationError(
                "The password would travel unencrypted; use TLS", field_name="MAIL_USE_TLS"
            )


class S3Schema(Schema):
    """The `s3` block within `payloads`: a bucket of an S3-compatible object storage."""

    class Meta:
        unknown = INCLUDE

    endpoint = fields.Url(
        required=True,
        schemes={"http", "https"},
        require_tld=False,
        metadata={"description": "Its address, such as `https://s3.example.org`."},
    )
    bucket = fields.String(
        required=True, metadata={"description": "The bucket, which must be there already."}
    )
    region = fields.String(
        load_default="us-east-1",
        metadata={"description": "The region that requests are signed for."},
    )
    access_key = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "Who we are there; else the variable `AWS_ACCESS_KEY_ID`."},
    )
    secret_key = fields.String(
        load_default=None,
        allow_none=True,
        metadata={"description": "The secret of that; else the variable `AWS_SECRET_ACCESS_KEY`."},
    )
    ca_file = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "A file with the certificates of the authorities to trust, instead of "
            "those of the system."
        },
    )


class PayloadsSchema(Schema):
    """The `payloads` block: where large inputs and results are kept."""

    class Meta:
        unknown = INCLUDE
        # Which cannot be the name of an attribute.
        include: ClassVar[dict[str, fields.Field[Any]]] = {
            "from": fields.Integer(
                load_default=STORED_FROM,
                validate=validate.Range(min=1024),
                metadata={
                    "description": "Bytes from which on a payload is kept there, and not in the "
                    "database."
                },
            )
        }

    store = fields.String(
        load_default="file",
        validate=validate.OneOf(("file", "s3")),
        metadata={"description": "`file` for a folder, `s3` for an object storage."},
    )
    folder = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "The folder of the store `file`, from the folder for data on. Several "
            "servers must share it.",
            "default": "`payloads` in the folder for data",
        },
    )
    s3 = fields.Nested(
        S3Schema, allow_none=True, metadata={"description": "The object storage of the store `s3`."}
    )
    inline_limit = fields.Integer(
        load_default=INLINE_LIMIT,
        validate=validate.Range(min=0),
        metadata={
            "description": "Bytes up to which such a payload still stands within the JSON of an "
            "answer, as classic clients and nodes expect."
        },
    )
    largest = fields.Integer(
        load_default=LARGEST_PAYLOAD,
        validate=validate.Range(min=1),
        metadata={"description": "The largest payload that may be uploaded, in bytes."},
    )
    unused_limit = fields.Integer(
        validate=validate.Range(min=1),
        metadata={
            "description": "The most bytes in uploads of one organization that no task or result "
            "uses yet: of its users, of its nodes, and of their algorithms, each by themselves.",
            "default": "twice `largest`",
        },
    )

    @validates_schema
    def _leave_room_for_the_largest(self, values: dict[str, Any], **_: Any) -> None:
        if values.get("unused_limit", values["largest"]) < values["largest"]:
            raise ValidationError("Must be at least `largest`", field_name="unused_limit")

    @validates_schema
    def _require_s3(self, values: dict[str, Any], **_: Any) -> None:
        if values["store"] == "s3" and not values.get("s3"):
            raise ValidationError("The store s3 needs this block", field_name="s3")


class ServerSchema(InstanceSchema):
    """The keys of a server configuration; unknown keys are kept.

    What has no default here is left to the application, which has one.
    """

    description = fields.String(
        required=True, metadata={"description": "What this server is for; free text."}
    )
    type = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(TYPES),
        metadata={
            "description": "With `dev` and `test` the first start makes `root` with the password "
            "`root`; with `test` access tokens are good for a day instead of six hours."
        },
    )
    ip = fields.String(
        required=True,
        metadata={
            "description": "The address that `vserver-local start` listens on; for "
            "`vserver start` there is its option `--ip`."
        },
    )
    port = fields.Integer(
        required=True,
        validate=validate.Range(0, 65535),
        metadata={"description": "The port to listen on; 0 picks a free one."},
    )
    api_path = fields.String(
        required=True,
        validate=validate.Regexp(
            r"(/[^/\s?#]+)*\Z", error="Must be empty, or start with a slash and not end with one"
        ),
        metadata={"description": "The path that all routes are under, such as `/api`; or empty."},
    )
    uri = fields.String(
        required=True,
        validate=_check_uri,
        metadata={
            "description": "The database, such as `sqlite:///default.sqlite`, a path that starts "
            "in the folder for data, or `postgresql://user:password@host/name`. The environment "
            "variable `VANTAGE6_DB_URI` wins."
        },
    )
    allow_drop_all = fields.Boolean(
        required=True,
        metadata={"description": "Whether `import --drop-all` may drop all tables."},
    )
    jwt_secret_key = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(
            min=MINIMUM_SECRET_LENGTH,
            error="Too short to be safe: use {min} characters or more, or leave it out",
        ),
        metadata={
            "description": "What tokens are signed with. Only needed where several servers share "
            "a database.",
            "default": "a random one, kept in the folder for data",
        },
    )
    two_factor_auth = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether users also log in with a code of an authenticator app."},
    )
    smtp = fields.Nested(
        SmtpSchema,
        allow_none=True,
        metadata={"description": "The mail server; without this block no mail is sent."},
    )
    support_email = fields.String(
        allow_none=True,
        metadata={
            "description": "The address for questions, in mails to users.",
            "default": "`smtp.username`",
        },
    )
    max_list_size = fields.Integer(
        load_default=MAX_LIST_SIZE,
        validate=validate.Range(min=1),
        metadata={
            "description": "How many entries a list may have before `page` has to be named. "
            "A key of ours."
        },
    )
    max_body_size = fields.Integer(
        load_default=MAX_BODY_SIZE,
        validate=validate.Range(min=1),
        metadata={"description": "The largest request, in bytes. A key of ours."},
    )
    stop_timeout = fields.Integer(
        load_default=STOP_TIMEOUT,
        validate=validate.Range(min=0),
        metadata={
            "description": "How long requests may still go on when the server is to stop, in "
            "seconds. A key of ours."
        },
    )
    trusted_proxies = fields.List(
        fields.String(validate=_check_network),
        load_default=list,
        metadata={
            "description": "The proxies in front, whose `X-Forwarded-For`, `X-Forwarded-Proto` "
            "and `X-Request-ID` are believed: addresses, or networks such as `10.1.0.0/16`. "
            "A key of ours."
        },
    )
    cors_allowed_origins = fields.List(
        fields.String(validate=_check_origin),
        load_default=list,
        metadata={
            "description": "The origins of which pages in a browser may use the API and the "
            "sockets, such as `https://portal.example.org`. A key of ours."
        },
    )
    password_policy = fields.Nested(
        PasswordPolicySchema,
        load_default=lambda: PasswordPolicySchema().load({}),
        metadata={"description": "How many wrong passwords before one has to wait."},
    )
    metrics = _Switched(
        MetricsSchema,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "Where Prometheus may ask how busy the server is; off without this "
            "block, `true` stands for its defaults. A key of ours."
        },
    )
    payloads = fields.Nested(
        PayloadsSchema,
        load_default=lambda: PayloadsSchema().load({}),
        metadata={"description": "Where large inputs and results are kept. A key of ours."},
    )
    image = fields.String(
        metadata={
            "description": "The image of `vserver start` and `vserver import`.",
            "default": "that of this version",
        }
    )
    rabbitmq_uri = fields.String(
        allow_none=True,
        validate=_check_rabbitmq,
        metadata={
            "description": "The RabbitMQ between the processes of a server that has several, "
            "`amqp://user:password@host:port/vhost`, or `amqps` with TLS.",
        },
    )
    rabbitmq_ca_file = fields.String(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "With `amqps`, a file with the certificates of the authorities to "
            "trust, instead of those of the system. A key of ours.",
        },
    )
    vpn_server = fields.Dict(
        keys=fields.String(),
        allow_none=True,
        metadata={
            "description": "The VPN server: `url`, `redirect_url`, `client_id`, `client_secret`, "
            "`portal_username` and `portal_userpass`.",
            "without_effect": "there are no private networks yet",
        },
    )
    logging = fields.Nested(
        LoggingSchema, required=True, metadata={"description": "What is logged, and where."}
    )


def has_predictable_secret(config: dict[str, Any]) -> bool:
    """Whether the secret is one of those that the classic wizard made of clock and machine."""
    try:
        return uuid.UUID(config.get("jwt_secret_key") or "").version == 1
    except ValueError:
        return False
