"""The commands that `vnode` and `vnode-local` share: about the files of a node, not its process."""

from vantage6.node.cli.audit import audit
from vantage6.node.cli.clean import clean
from vantage6.node.cli.create_private_key import create_private_key
from vantage6.node.cli.doctor import doctor
from vantage6.node.cli.image import image
from vantage6.node.cli.keys import keys
from vantage6.node.cli.policy import policy
from vantage6.node.cli.remove import remove
from vantage6.node.cli.set_api_key import set_api_key

COMMANDS_OF_BOTH = (
    audit,
    clean,
    create_private_key,
    doctor,
    image,
    keys,
    policy,
    remove,
    set_api_key,
)
