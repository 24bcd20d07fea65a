"""The version comes from the one VERSION file of the repository; all else stands in setup.cfg."""

from pathlib import Path

from setuptools import setup

VERSION = Path(__file__).with_name("VERSION").read_text(encoding="utf-8").strip()

setup(
    version=VERSION,
    install_requires=[
        f"vantage6-common=={VERSION}",
        "alembic>=1.13,<2",
        "apispec>=6,<7",
        "bcrypt>=4,<6",
        "click>=8.1,<9",
        "cryptography>=42",
        "docker>=7,<8",
        "Flask>=3,<4",
        "Flask-Cors>=5,<7",
        "Flask-RESTful>=0.3.10,<0.4",
        "Flask-SocketIO>=5.3,<6",
        "gevent>=24",
        "gunicorn>=23,<28",
        "ipython>=8,<10",
        "kombu>=5.3,<6",
        "marshmallow>=3.20,<5",
        "prometheus-client>=0.20,<1",
        "PyJWT>=2.8,<3",
        "pyotp>=2.9,<3",
        "python-engineio>=4.8,<5",
        "python-socketio>=5.10,<6",
        "PyYAML>=6,<7",
        "questionary>=2,<3",
        "rich>=13",
        "simple-websocket>=1,<2",
        "wsproto>=1,<2",
        "SQLAlchemy>=2,<2.2",
        "swagger-ui-bundle>=1.1,<2",
        "Werkzeug>=3,<4",
    ],
    extras_require={
        "postgresql": ["psycopg[binary]>=3.1,<4"],
        "s3": ["botocore>=1.36,<2"],
    },
)
