"""The routes of the server, one file per resource."""

import re

from vantage6.server.permission.catalogue import ADMISSION
from vantage6.server.resource import (
    claim,
    collaboration,
    kill,
    node,
    organization,
    password,
    payload,
    port,
    recovery,
    result,
    role,
    rule,
    stats,
    task,
    token,
    upload,
    user,
    version,
    vpn,
)
from vantage6.server.resource.base import Resource

RESOURCES: tuple[type[Resource], ...] = (
    token.UserToken,
    token.NodeToken,
    token.ContainerToken,
    token.RefreshedToken,
    organization.Organizations,
    organization.OneOrganization,
    organization.OrganizationCollaborations,
    organization.OrganizationNodes,
    collaboration.Collaborations,
    collaboration.OneCollaboration,
    collaboration.CollaborationOrganizations,
    collaboration.CollaborationNodes,
    collaboration.CollaborationTasks,
    node.Nodes,
    node.OneNode,
    node.NodeRecovery,
    task.Tasks,
    task.OneTask,
    task.TaskPayload,
    task.TaskResults,
    result.Results,
    result.OneResult,
    payload.InputOfResult,
    payload.OutputOfResult,
    upload.Uploads,
    upload.OneUpload,
    claim.Claims,
    claim.TakenRuns,
    user.Users,
    user.OneUser,
    role.Roles,
    role.OneRole,
    role.RoleRules,
    role.OneRoleRule,
    rule.Rules,
    rule.OneRule,
    password.PasswordChange,
    port.Ports,
    port.OnePort,
    vpn.VpnConfig,
    vpn.VpnConfigUpdate,
    kill.TaskKill,
    kill.NodeTasksKill,
    stats.Stats,
    recovery.PasswordLost,
    recovery.PasswordReset,
    recovery.SecondFactorLost,
    recovery.SecondFactorReset,
    recovery.RecoveryCodes,
    recovery.UserSecondFactor,
    version.Version,
    version.Health,
    version.HealthFix,
)


def check_admissions() -> None:
    """Raise LookupError unless every method of every route says whom it admits, and is there."""
    there = {resource.route: resource.methods or set() for resource in RESOURCES}
    for resource in RESOURCES:
        if resource.contracts.keys() != resource.methods:
            raise LookupError(f"Not every method of {resource.route} has a contract")
    declared = {route: set(methods) for route, methods in ADMISSION.items()}
    if there != declared:
        differing = {
            route
            for route in there.keys() | declared.keys()
            if there.get(route) != declared.get(route)
        }
        raise LookupError(f"Routes and admissions do not agree: {sorted(differing)}")


def flask_rule(route: str) -> str:
    """A route in the words of Flask; ids beyond what the database holds are not found."""
    return re.sub(r"<(\w+)>", r"<int(max=2147483647):\1>", route)
