"""The gradebook: what was handed in, what is to be graded, and every mark that was ever given.

Nothing is overwritten: a corrected mark, a comment, a second submission is a new row, and the
latest counts. A job is named by what it depends on (the submission's bytes, what of it is graded,
the version of the exercises), so the same work is never done twice. Results hold no times; those
have a table of their own. SQLite by default, PostgreSQL by URL.
"""

import hashlib
import json
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import sqlalchemy as sql

from gancourse.errors import CourseError
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.owners import is_dead
from gancourse.grading.gradebook.records import Record, assemble, history
from gancourse.grading.gradebook.tables import JOBS, MANUAL, SETTINGS, SUBMISSIONS, TIMES, connect
from gancourse.grading.judging.judge import Result

SCHEMA = "1"
LEASE = 60.0  # seconds that a claim holds; whoever works renews it


@dataclass(frozen=True)
class Job:
    """One piece of work: a submission, graded whole or in one exercise."""

    key: str
    digest: str
    notebook: str
    scope: str


class Gradebook:
    """A gradebook in a folder, or in a database beside it."""

    def __init__(self, folder: Path, url: str | None = None, secret: bytes | None = None) -> None:
        """Open a gradebook, or make one.

        Parameters
        ----------
        folder : Path
            Holds the notebooks that were handed in, and the database unless `url` names another.
        url : str | None
            Of a database, as SQLAlchemy writes it: ``postgresql+psycopg://user@host/name``.
        secret : bytes | None
            What a new gradebook draws its questions from; random unless given.
        """
        self.folder = folder
        self.files = folder / "submissions"
        try:
            self.files.mkdir(parents=True, exist_ok=True)
            path, kept = (folder / "gradebook.sqlite").resolve(), folder / "database.url"
            if url is None and kept.exists():
                url = kept.read_text()
            if url is None and not path.exists():
                path.touch(mode=0o600)  # it holds the marks, and the seed of the questions
            self.engine = connect(url or f"sqlite:///{path}")
            if url is not None:
                kept.touch(mode=0o600)  # it may hold a password
                kept.write_text(url)
        except (OSError, sql.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            reason = str(getattr(error, "orig", None) or error).split("\n")[0]
            raise CourseError(
                f"The gradebook of {folder} can't be opened.",
                f"{type(error).__name__}: {reason}",
                "Check the folder (or the URL, and that its driver is installed) and its rights.",
            ) from error
        if self.get("schema") is None:
            self.put("secret", (secret or secrets.token_bytes(32)).hex())
            self.put("schema", SCHEMA)
        if (made := self.get("schema")) != SCHEMA:
            what = f"The gradebook in {folder} was made by another version of the course."
            why = f"Its schema is {made}, this version's is {SCHEMA}."
            raise CourseError(
                what, why, "Use the version that made it, or grade into a new folder."
            )

    @property
    def secret(self) -> bytes:
        """The seed of all questions; never shown."""
        return bytes.fromhex(self.get("secret") or "")

    def get(self, name: str) -> str | None:
        """A setting, or None."""
        with self.engine.connect() as db:
            return db.scalar(sql.select(SETTINGS.c.value).where(SETTINGS.c.name == name))

    def put(self, name: str, value: str) -> None:
        """Keep a setting."""
        with self.engine.begin() as db:
            db.execute(SETTINGS.delete().where(SETTINGS.c.name == name))
            db.execute(SETTINGS.insert().values(name=name, value=value))

    def add(self, submissions: Iterable[Submission]) -> None:
        """Keep what was collected: all of it or, if this is interrupted, nothing."""
        found = []
        for one in submissions:  # reading takes long: the database is not held meanwhile
            digest = hashlib.sha256(one.content).hexdigest() if one.content else ""
            target = self.file(digest)
            kept = target.stat().st_size if target.exists() else 0
            if kept != len(one.content):  # new, or cut off when the power failed
                whole = target.with_suffix(f".{os.getpid()}")
                whole.write_bytes(one.content)
                whole.replace(target)
            found.append((replace(one, content=b""), digest))
        with self.engine.begin() as db:
            number = 1 + (db.scalar(sql.select(sql.func.max(SUBMISSIONS.c.collection))) or 0)
            for one, digest in found:
                key = {"student": one.student, "notebook": one.notebook, "digest": digest}
                same = sql.and_(
                    *(SUBMISSIONS.c[k] == v for k, v in (key | {"file": one.file}).items())
                )
                problem = one.problem.replace("\0", "?")  # PostgreSQL takes no NUL
                facts = {"late": int(one.late), "problem": problem, "note": one.note}
                facts["collection"] = number
                if not db.execute(SUBMISSIONS.update().where(same).values(facts)).rowcount:
                    db.execute(SUBMISSIONS.insert().values(**key, file=one.file, **facts))

    def file(self, digest: str) -> Path:
        """Where a notebook that was handed in is kept."""
        return self.files / f"{digest}.ipynb"

    def notebooks(self) -> set[str]:
        """Numbers of the notebooks that were handed in."""
        return {row.notebook for row in self._current() if row.digest}

    def enqueue(self, versions: Mapping[str, str], scope: str = "") -> int:
        """Queue what is to be graded; how many jobs wait now.

        Parameters
        ----------
        versions : Mapping[str, str]
            Number of a notebook -> version of its exercises.
        scope : str
            "" queues the submissions that were never graded, were unreadable, or ended the grader.
            The id of an exercise ("2.3") queues, of its notebook, every submission whose marks
            for it come from another version. Results of finished work stay in any case.
        """
        rows = {(row.digest, row.notebook) for row in self._current() if row.digest}
        empty = JOBS.c.result.is_(None)
        with self.engine.begin() as db:
            for number, version in versions.items():  # what is gone can't be asked any more
                gone = empty & (JOBS.c.notebook == number) & (JOBS.c.version != version)
                db.execute(JOBS.delete().where(gone))
            ended = empty & JOBS.c.state.in_(("failed", "review"))  # reading it may succeed now
            db.execute(JOBS.update().where(ended).values(state="queued", error=""))
            known = defaultdict(list)
            for row in db.execute(sql.select(JOBS).order_by(JOBS.c.round)):
                known[row.digest].append(row)
            last = max((row.round for rows in known.values() for row in rows), default=0)
            for digest, number in sorted(rows):
                before = [row for row in known[digest] if row.scope in ("", scope)]
                if before and (not scope or _number(scope) != number or not before[0].result):
                    continue
                if before and before[-1].version == versions[number]:
                    continue
                part = scope if before else ""  # what was never graded is graded whole
                text = "\0".join((digest, part, versions[number], str(last)))
                db.execute(
                    JOBS.insert().values(
                        key=hashlib.sha256(text.encode()).hexdigest(),
                        digest=digest,
                        notebook=number,
                        scope=part,
                        version=versions[number],
                        state="queued",
                        error="",
                        round=last + 1,
                    )
                )
            return db.scalar(sql.select(sql.func.count()).where(JOBS.c.state == "queued")) or 0

    def claim(self, owner: str) -> Job | None:
        """Take a job for as long as the lease lasts; None where there is none to take."""
        free = (JOBS.c.state == "queued") | (
            (JOBS.c.state == "running") & (JOBS.c.lease < time.time()) & (JOBS.c.owner != owner)
        )
        while True:
            with self.engine.begin() as db:
                row = db.execute(sql.select(JOBS).where(free).order_by(JOBS.c.key).limit(1)).first()
                if row is None:
                    return None
                mine = {"state": "running", "owner": owner, "lease": time.time() + LEASE}
                taken = JOBS.update().where((JOBS.c.key == row.key) & free).values(mine)
                if db.execute(taken).rowcount:
                    return Job(row.key, row.digest, row.notebook, row.scope)

    def renew(self, owner: str) -> None:
        """Say that the owner is alive: its leases begin again."""
        mine = (JOBS.c.state == "running") & (JOBS.c.owner == owner)
        with self.engine.begin() as db:
            db.execute(JOBS.update().where(mine).values(lease=time.time() + LEASE))

    def release(self, owner: str = "") -> None:
        """Give back the jobs of an owner, or of all whose process has died on this machine."""
        running = JOBS.c.state == "running"
        with self.engine.begin() as db:
            owners = db.scalars(sql.select(JOBS.c.owner).where(running).distinct()).all()
            dead = [name for name in owners if name == owner or (not owner and is_dead(name))]
            mine = running & JOBS.c.owner.in_(dead)
            db.execute(JOBS.update().where(mine).values(state="queued"))

    def finish(
        self, job: Job, owner: str, result: Result | None, error: str = "", state: str = "review"
    ) -> None:
        """Keep the outcome of a job: a result, or the reason why there is none.

        Parameters
        ----------
        job : Job
            Ignored unless the owner still holds it.
        owner : str
            Who graded it.
        result : Result | None
            With flags, the job is kept for review; else it is done.
        error, state : str
            Where there is no result: why, and "failed" (the submission's fault) or "review".
        """
        facts = {"state": state, "error": error, "result": None}
        if result is not None:
            flagged = result.flags or any(mark.flags for mark in result.marks)
            facts = {"state": "review" if flagged else "done", "result": result.to_json()}
        held = (JOBS.c.key == job.key) & (JOBS.c.owner == owner) & (JOBS.c.state == "running")
        with self.engine.begin() as db:
            db.execute(JOBS.update().where(held).values(facts))

    def mark(self, student: str, exercise: str, points: float | None, comment: str) -> None:
        """Give points or a comment by hand; they outlive regrading, and earlier ones are kept.

        They belong to the submission that is current now: for a later one they don't count.
        """
        number = _number(exercise)
        rows = [r for r in self._current() if r.student == student and r.notebook in ("", number)]
        if not rows:
            raise CourseError(
                f"{student!r} has handed in nothing of notebook {number}.",
                "",
                "Names are those of the table that gancourse export writes.",
            )
        row = max(rows, key=lambda row: row.notebook)
        facts = {"student": student, "exercise": exercise, "digest": row.digest}
        with self.engine.begin() as db:
            if not row.notebook:  # it was refused; now it is known which notebook it stands for
                again = {name: value for name, value in row._mapping.items() if name != "id"}
                db.execute(SUBMISSIONS.insert().values(again | {"notebook": number}))
            db.execute(MANUAL.insert().values(**facts, points=points, comment=comment))

    def note_time(self, what: str, seconds: float) -> None:
        """Keep how long something took; no result depends on it."""
        with self.engine.begin() as db:
            db.execute(TIMES.insert().values(what=what[:100], at=time.time(), seconds=seconds))

    def records(self) -> list[Record]:
        """What holds now for every student and notebook, in order of their names."""
        with self.engine.connect() as db:
            jobs = db.execute(sql.select(JOBS).order_by(JOBS.c.round, JOBS.c.key)).all()
            manual = db.execute(sql.select(MANUAL).order_by(MANUAL.c.id)).all()
        late = json.loads(self.get("late") or "{}")
        return assemble(self._current(), jobs, manual, late)

    def history(self, student: str) -> list[str]:
        """Everything that was ever recorded of a student, one line each."""
        with self.engine.connect() as db:
            mine = SUBMISSIONS.c.student == student
            own = db.execute(sql.select(SUBMISSIONS).where(mine).order_by(SUBMISSIONS.c.id)).all()
            one = JOBS.c.digest.in_([row.digest for row in own if row.digest])
            jobs = db.execute(sql.select(JOBS).where(one).order_by(JOBS.c.round)).all()
            hand = MANUAL.c.student == student
            manual = db.execute(sql.select(MANUAL).where(hand).order_by(MANUAL.c.id)).all()
        return history(own, jobs, manual)

    def _current(self) -> list:
        """The submissions that count: the latest of each student and notebook.

        What could not even be recognised counts as long as nothing newer came from the student.
        """
        with self.engine.connect() as db:
            order = (SUBMISSIONS.c.collection, SUBMISSIONS.c.id)
            rows = db.execute(sql.select(SUBMISSIONS).order_by(*order)).all()
        last = {(row.student, row.notebook or f"? {row.file}"): row for row in rows}
        newest = {row.student: row.collection for row in rows}
        settled = {(r.student, r.file, r.problem) for r in rows if r.notebook and not r.digest}
        refused = [r for r in last.values() if r.collection == newest[r.student]]
        refused = [r for r in refused if (r.student, r.file, r.problem) not in settled]
        kept = [r for r in last.values() if r.notebook or r in refused]
        return sorted(kept, key=lambda row: (row.student, row.notebook, row.file))


def _number(exercise: str) -> str:
    """The notebook of an exercise: "02" of "2.3", and of "02" itself."""
    return exercise.split(".")[0].zfill(2)
