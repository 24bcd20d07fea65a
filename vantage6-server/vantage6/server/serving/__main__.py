"""What `vserver-local start` becomes once the database is ready."""

from gevent import monkey

# Before all else is loaded: waiting for a socket, a lock or the clock lets others work meanwhile.
monkey.patch_all()

from vantage6.server.serving.process import main  # noqa: E402

main()
