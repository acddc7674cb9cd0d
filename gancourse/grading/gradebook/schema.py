"""The database of the gradebook. A new column or meaning is a new `SCHEMA`."""

import sqlalchemy as sql
from sqlalchemy import Column, Float, Integer, String, Table, Text

SCHEMA = "1"
METADATA = sql.MetaData()
SETTINGS = Table(
    "settings", METADATA, Column("name", String(40), primary_key=True), Column("value", Text)
)
SUBMISSIONS = Table(
    "submissions",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("student", String(200), index=True),
    Column("notebook", String(8)),
    Column("digest", String(64), index=True),
    Column("file", Text),
    Column("late", Integer),  # 1 where the LMS marked it as late
    Column("problem", Text),
    Column("note", Text),
    Column("collection", Integer),  # number of the last collection that contained it
    sql.UniqueConstraint("student", "notebook", "digest", "file"),
)
JOBS = Table(
    "jobs",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("digest", String(64), index=True),
    Column("notebook", String(8)),
    Column("scope", String(16)),  # "" for the whole notebook, or one exercise: "2.3"
    Column("version", String(64)),
    Column("state", String(8), index=True),  # queued, running, done, failed, review
    Column("error", Text),
    Column("owner", String(200)),
    Column("lease", Float),  # until then, in seconds since 1970
    Column("result", Text),  # JSON of a Result
    Column("round", Integer),  # later rounds replace the marks of earlier ones
)
MANUAL = Table(
    "manual",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("student", String(200), index=True),
    Column("exercise", String(16)),
    Column("digest", String(64)),  # of the submission that was marked
    Column("points", Float),  # None: only a comment
    Column("comment", Text),
)
ENTRIES = Table(  # a later version of the course added it: it is made where it is missing
    "entries",
    METADATA,
    Column("student", String(200), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("file", String(200), primary_key=True),
    Column("entry", Text),  # path in the folder or zip of the submissions
)


def connect(url: str) -> sql.Engine:
    """A database with these tables in it."""
    options = {"timeout": 60} if url.startswith("sqlite") else {}
    engine = sql.create_engine(url, poolclass=sql.pool.NullPool, connect_args=options)
    if engine.dialect.name == "sqlite":  # lock when a transaction begins, and wait for the lock
        sql.event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        sql.event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))
    METADATA.create_all(engine)
    return engine
