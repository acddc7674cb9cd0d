"""The gradebook: all submissions, all jobs of grading, and every mark that was ever given.

Nothing is overwritten: a corrected mark, a comment, a second submission is a new row, and the
latest counts. A job's key is a digest of what it depends on (the submission's bytes, the exercise,
the version of the exercises), so the same work is never done twice. SQLite by default, PostgreSQL
by URL.
"""

import hashlib
import json
import os
import secrets
import socket
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sql

from gancourse.errors import CourseError
from gancourse.grading.gradebook.collect import Submission
from gancourse.grading.gradebook.files import private_folder, write_private
from gancourse.grading.gradebook.records import StudentRecord, assemble, history, number_of
from gancourse.grading.gradebook.schema import (
    ENTRIES,
    JOBS,
    MANUAL,
    SCHEMA,
    SETTINGS,
    SUBMISSIONS,
    connect,
)
from gancourse.grading.judging.marking import Result

LEASE = 60.0  # seconds that a claim is valid; its owner renews it


@dataclass(frozen=True)
class Job:
    """One piece of work: a submission, graded whole or in one exercise."""

    key: str
    digest: str
    notebook: str
    scope: str


class Gradebook:
    """A gradebook in a folder, with its database there or elsewhere."""

    def __init__(self, folder: Path, url: str | None = None, secret: bytes | None = None) -> None:
        """Open a gradebook, or make one.

        Parameters
        ----------
        folder : Path
            Holds the notebooks that were handed in, and the database unless `url` names another.
        url : str | None
            Of a database, as SQLAlchemy writes it: ``postgresql+psycopg://user@host/name``.
        secret : bytes | None
            Seed of a new gradebook's random inputs; random unless given.

        Raises
        ------
        CourseError
            If it can't be opened, or was made by another version of the course.
        """
        self.folder = folder
        self.files = folder / "submissions"
        try:
            private_folder(folder)
            private_folder(self.files)
            path, saved_url = (folder / "gradebook.sqlite").resolve(), folder / "database.url"
            if url is None and saved_url.exists():
                url = saved_url.read_text()
            if url is None and not path.exists():
                path.touch(mode=0o600)  # it contains the marks, and the seed
            self.engine = connect(url or f"sqlite:///{path}")
            if url is not None:
                write_private(saved_url, url)  # it may contain a password
        except (OSError, sql.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            reason = str(getattr(error, "orig", None) or error).split("\n")[0]
            raise CourseError(
                f"The gradebook in {folder} can't be opened.",
                f"{type(error).__name__}: {reason}",
                "Check the folder and its permissions (or the URL, and its driver).",
            ) from error
        if self.get("schema") is None:
            self.put("secret", (secret or secrets.token_bytes(32)).hex())
            self.put("schema", SCHEMA)
        if (schema := self.get("schema")) != SCHEMA:
            what = f"The gradebook in {folder} was made by another version of the course."
            why = f"Its schema is {schema}, this version's is {SCHEMA}."
            raise CourseError(what, why, "Use that version, or grade into a new folder.")

    @property
    def secret(self) -> bytes:
        """The seed of all random inputs; never shown."""
        return bytes.fromhex(self.get("secret") or "")

    def get(self, name: str) -> str | None:
        """A setting, or None."""
        with self.engine.connect() as db:
            return db.scalar(sql.select(SETTINGS.c.value).where(SETTINGS.c.name == name))

    def put(self, name: str, value: str) -> None:
        """Save a setting."""
        with self.engine.begin() as db:
            db.execute(SETTINGS.delete().where(SETTINGS.c.name == name))
            db.execute(SETTINGS.insert().values(name=name, value=value))

    def add(self, submissions: Iterable[Submission]) -> None:
        """Save what was collected: all of it or, if this is interrupted, nothing."""
        collected = []
        for submission in submissions:  # reading takes long: the database is not locked meanwhile
            content = submission.content
            digest = hashlib.sha256(content).hexdigest() if content else ""
            target = self.file(digest)
            size = target.stat().st_size if target.exists() else 0
            if size != len(content):  # new, or cut off when the power failed
                write_private(target, content)
            collected.append((replace(submission, content=b""), digest))
        with self.engine.begin() as db:
            number = 1 + (db.scalar(sql.select(sql.func.max(SUBMISSIONS.c.collection))) or 0)
            for new, digest in collected:
                key = {"student": new.student, "notebook": new.notebook, "digest": digest}
                key["file"] = new.file
                same = sql.and_(*(SUBMISSIONS.c[name] == value for name, value in key.items()))
                problem = new.problem.replace("\0", "?")  # PostgreSQL takes no NUL
                facts = {"late": int(new.late), "problem": problem, "note": new.note}
                facts["collection"] = number
                if not db.execute(SUBMISSIONS.update().where(same).values(facts)).rowcount:
                    db.execute(SUBMISSIONS.insert().values(key | facts))
                place = {name: key[name] for name in ("student", "digest", "file")}
                same = sql.and_(*(ENTRIES.c[name] == value for name, value in place.items()))
                db.execute(ENTRIES.delete().where(same))
                db.execute(ENTRIES.insert().values(place | {"entry": new.entry}))

    def file(self, digest: str) -> Path:
        """Where a notebook that was handed in is saved."""
        return self.files / f"{digest}.ipynb"

    def notebooks(self) -> set[str]:
        """Numbers of the notebooks that were handed in."""
        return {row.notebook for row in self._current() if row.digest}

    def enqueue(self, versions: Mapping[str, str], scope: str = "") -> int:
        """Queue what is to be graded; how many jobs are queued now.

        Parameters
        ----------
        versions : Mapping[str, str]
            Number of a notebook -> version of its exercises.
        scope : str
            "" queues the submissions that were never graded, were unreadable, or crashed the
            grader. The id of an exercise ("2.3") queues every submission of its notebook whose
            marks for it come from another version. Results of finished work stay in any case.
        """
        rows = {(row.digest, row.notebook) for row in self._current() if row.digest}
        empty = JOBS.c.result.is_(None)
        with self.engine.begin() as db:
            for number, version in versions.items():  # an old version can't be run any more
                old = empty & (JOBS.c.notebook == number) & (JOBS.c.version != version)
                db.execute(JOBS.delete().where(old))
            ended = empty & JOBS.c.state.in_(("failed", "review"))  # reading it may succeed now
            db.execute(JOBS.update().where(ended).values(state="queued", error=""))
            jobs = defaultdict(list)
            for job in db.execute(sql.select(JOBS).order_by(JOBS.c.round)):
                jobs[job.digest].append(job)
            last = max((job.round for group in jobs.values() for job in group), default=0)
            for digest, number in sorted(rows):
                before = [job for job in jobs[digest] if job.scope in ("", scope)]
                if before and (not scope or number_of(scope) != number or not before[0].result):
                    continue
                if before and before[-1].version == versions[number]:
                    continue
                part = scope if before else ""  # what was never graded is graded whole
                text = "\0".join((digest, part, versions[number], str(last)))
                job = {"key": hashlib.sha256(text.encode()).hexdigest(), "digest": digest}
                job |= {"notebook": number, "scope": part, "version": versions[number]}
                job |= {"state": "queued", "error": "", "round": last + 1}
                db.execute(JOBS.insert().values(job))
            return db.scalar(sql.select(sql.func.count()).where(JOBS.c.state == "queued")) or 0

    def claim(self, owner: str) -> Job | None:
        """Take a job for as long as the lease lasts; None where there is none to take."""
        free = (JOBS.c.state == "queued") | (
            (JOBS.c.state == "running") & (JOBS.c.lease < time.time()) & (JOBS.c.owner != owner)
        )
        while True:
            with self.engine.begin() as db:
                job = db.execute(sql.select(JOBS).where(free).order_by(JOBS.c.key).limit(1)).first()
                if job is None:
                    return None
                claimed = {"state": "running", "owner": owner, "lease": time.time() + LEASE}
                update = JOBS.update().where((JOBS.c.key == job.key) & free).values(claimed)
                if db.execute(update).rowcount:
                    return Job(job.key, job.digest, job.notebook, job.scope)

    def last_result(self, digest: str, exercise: str) -> Result | None:
        """The result that the mark of an exercise comes from; None where it was never graded."""
        graded = (JOBS.c.digest == digest) & JOBS.c.result.is_not(None)
        jobs = sql.select(JOBS.c.result).where(graded & JOBS.c.scope.in_(("", exercise)))
        with self.engine.connect() as db:
            texts = db.scalars(jobs.order_by(JOBS.c.round)).all()
        return Result.from_json(texts[-1]) if texts else None

    def renew(self, owner: str) -> None:
        """Begin the leases of an owner again: it is alive."""
        claimed = (JOBS.c.state == "running") & (JOBS.c.owner == owner)
        with self.engine.begin() as db:
            db.execute(JOBS.update().where(claimed).values(lease=time.time() + LEASE))

    def release(self, owner: str = "") -> None:
        """Queue again the jobs of an owner, or of all whose process on this machine has ended."""
        running = JOBS.c.state == "running"
        with self.engine.begin() as db:
            owners = db.scalars(sql.select(JOBS.c.owner).where(running).distinct()).all()
            ended = [name for name in owners if name == owner or (not owner and _has_ended(name))]
            claimed = running & JOBS.c.owner.in_(ended)
            db.execute(JOBS.update().where(claimed).values(state="queued"))

    def finish(
        self, job: Job, owner: str, result: Result | None, error: str = "", state: str = "review"
    ) -> None:
        """Save the outcome of a job: a result, or the reason why there is none.

        Parameters
        ----------
        job : Job
            Ignored unless the owner still holds it.
        owner : str
            The process that graded it.
        result : Result | None
            With flags, the job's state is "review"; else it is "done".
        error, state : str
            Where there is no result: why, and "failed" (the submission's fault) or "review".
        """
        facts = {"state": state, "error": error, "result": None}
        if result is not None:
            facts = {"state": "review" if result.flagged else "done", "result": result.to_json()}
        held = (JOBS.c.key == job.key) & (JOBS.c.owner == owner) & (JOBS.c.state == "running")
        with self.engine.begin() as db:
            db.execute(JOBS.update().where(held).values(facts))

    def mark(self, student: str, exercise: str, points: float | None, comment: str) -> None:
        """Give points or a comment by hand; regrading leaves them, and earlier ones are kept.

        They belong to the submission that is current now: for a later one they don't count.
        CourseError if the student has not handed in that notebook.
        """
        self.mark_all([(student, exercise, points, comment)])

    def mark_all(self, marks: Iterable[tuple[str, str, float | None, str]]) -> None:
        """Give many marks by hand, each as in `mark`: all of them or, if one fails, none."""
        rows: dict[tuple[str, str], Any] = {}
        for row in self._current():  # sorted: what has a notebook comes after what was refused
            rows[row.student, row.notebook] = row
        with self.engine.begin() as db:
            for student, exercise, points, comment in marks:
                number = number_of(exercise)
                row = rows.get((student, number)) or rows.get((student, ""))
                if row is None:
                    do = "Names are those of the table that gancourse export writes."
                    raise CourseError(f"{student!r} has not handed in notebook {number}.", "", do)
                if not row.notebook:  # it was refused; now it is known which notebook it stands for
                    again = {c: row._mapping[c] for c in SUBMISSIONS.c.keys() if c != "id"}
                    db.execute(SUBMISSIONS.insert().values(again | {"notebook": number}))
                    rows[student, number] = row
                facts = {"student": student, "exercise": exercise, "digest": row.digest}
                db.execute(MANUAL.insert().values(**facts, points=points, comment=comment))

    def students(self) -> list[str]:
        """The names of all who ever handed in something."""
        with self.engine.connect() as db:
            return sorted(db.scalars(sql.select(SUBMISSIONS.c.student).distinct()))

    def other_names(self) -> dict[str, list[str]]:
        """Student -> login, e-mail and full name, from the tables of the LMS read so far."""
        return json.loads(self.get("names") or "{}")

    def add_names(self, names: Mapping[str, Iterable[str]]) -> None:
        """Add other names of students."""
        known = self.other_names()
        for student, more in names.items():
            known[student] = sorted({*known.get(student, ()), *more})
        self.put("names", json.dumps(known))

    def records(self) -> list[StudentRecord]:
        """What is true now for every student and notebook, sorted by their names."""
        with self.engine.connect() as db:
            jobs = db.execute(sql.select(JOBS).order_by(JOBS.c.round, JOBS.c.key)).all()
            manual = db.execute(sql.select(MANUAL).order_by(MANUAL.c.id)).all()
        late = json.loads(self.get("late") or "{}")
        return assemble(self._current(), jobs, manual, late, whole=bool(self.get("whole")))

    def history(self, student: str) -> list[str]:
        """Everything that was ever recorded about a student, one line each."""
        with self.engine.connect() as db:
            named = SUBMISSIONS.c.student == student
            rows = db.execute(sql.select(SUBMISSIONS).where(named).order_by(SUBMISSIONS.c.id)).all()
            graded = JOBS.c.digest.in_([row.digest for row in rows if row.digest])
            jobs = db.execute(sql.select(JOBS).where(graded).order_by(JOBS.c.round)).all()
            named = MANUAL.c.student == student
            manual = db.execute(sql.select(MANUAL).where(named).order_by(MANUAL.c.id)).all()
        return history(rows, jobs, manual)

    def _current(self) -> list:
        """The submissions that count: the latest of each student and notebook.

        What could not even be recognized counts until the student hands in something newer.
        """
        with self.engine.connect() as db:
            order = (SUBMISSIONS.c.collection, SUBMISSIONS.c.id)
            names = ("student", "digest", "file")
            same = sql.and_(*(SUBMISSIONS.c[name] == ENTRIES.c[name] for name in names))
            both = sql.select(SUBMISSIONS, ENTRIES.c.entry).outerjoin(ENTRIES, same)
            rows = db.execute(both.order_by(*order)).all()
        last = {(row.student, row.notebook or f"? {row.file}"): row for row in rows}
        newest = {row.student: row.collection for row in rows}
        settled = {(r.student, r.file, r.problem) for r in rows if r.notebook and not r.digest}
        refused = [r for r in last.values() if r.collection == newest[r.student]]
        refused = [r for r in refused if (r.student, r.file, r.problem) not in settled]
        current = [r for r in last.values() if r.notebook or r in refused]
        return sorted(current, key=lambda row: (row.student, row.notebook, row.file))


def this_process() -> str:
    """A name for this process that no other has, here or on another machine."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time()}"


def _has_ended(owner: str) -> bool:
    """Whether that process of this machine has ended; False for one of another machine."""
    host, pid, created = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return False  # its lease will tell
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > 2
    except psutil.Error:
        return True
