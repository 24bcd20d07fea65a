"""The tables of the server, one class a file."""

from vantage6.server.model.algorithm_port import AlgorithmPort
from vantage6.server.model.association import (
    Member,
    Permission,
    UserPermission,
    role_rule_association,
)
from vantage6.server.model.authenticatable import Authenticatable
from vantage6.server.model.base import Base, Model
from vantage6.server.model.blob import Blob
from vantage6.server.model.collaboration import Collaboration
from vantage6.server.model.login_attempt import LoginAttempt
from vantage6.server.model.mail_count import MailCount
from vantage6.server.model.node import Node
from vantage6.server.model.organization import Organization
from vantage6.server.model.refresh_token import RefreshToken
from vantage6.server.model.replica import Presence, Replica
from vantage6.server.model.result import Result
from vantage6.server.model.role import Role
from vantage6.server.model.rule import Rule
from vantage6.server.model.run import Run
from vantage6.server.model.second_factor import RecoveryCode, SecondFactor
from vantage6.server.model.task import Task
from vantage6.server.model.task_count import TaskCount
from vantage6.server.model.task_order import TaskOrder
from vantage6.server.model.upload import Upload
from vantage6.server.model.user import User

__all__ = [
    "AlgorithmPort",
    "Authenticatable",
    "Base",
    "Blob",
    "Collaboration",
    "LoginAttempt",
    "MailCount",
    "Member",
    "Model",
    "Node",
    "Organization",
    "Permission",
    "Presence",
    "RecoveryCode",
    "RefreshToken",
    "Replica",
    "Result",
    "Role",
    "Rule",
    "Run",
    "SecondFactor",
    "Task",
    "TaskCount",
    "TaskOrder",
    "Upload",
    "User",
    "UserPermission",
    "role_rule_association",
]
