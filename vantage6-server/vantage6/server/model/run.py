from vantage6.server.model.base import Model


class Run(Model):
    """Where run ids come from: a row reserves a number that no other task will ever get.

    The highest id in use plus one would hand out the run of a deleted task again, and with it
    the temporary files that nodes keep per run.
    """

    __tablename__ = "run"
