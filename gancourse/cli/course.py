"""Commands for the course itself: build, run, doctor, fetch."""

import json
import shutil
import sys
import tempfile
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gancourse.cli.extras import extra
from gancourse.errors import CourseError

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NN]...", help="Numbers or names; none means all.")
]


class Profile(str, Enum):
    """The budget of a notebook."""

    smoke = "smoke"
    cpu = "cpu"
    gpu = "gpu"


def _course(names: list[str] | None):
    """The course that the working folder is in, and the chosen sources."""
    from gancourse import env

    with extra("lab"):
        from gancourse.notebooks.build import Course
    course = Course.at(env.root())
    try:
        return course, course.sources(names or [])
    except CourseError as error:
        raise typer.BadParameter(str(error)) from error


def _execute(notebook, name: str, folder: Path, profile: str, runs: Path):
    """Execute a notebook with a line of progress."""
    from tqdm import tqdm

    with extra("lab"):
        from gancourse.notebooks import runner
    quiet = 0.2 if sys.stderr.isatty() else 15.0  # seconds between lines in a log
    form = "{desc}: cell {n} of {total}, {elapsed}"
    with tqdm(desc=name, bar_format=form, mininterval=quiet, total=0) as bar:

        def progress(done: int, cells: int) -> None:
            bar.total = cells
            bar.update(done - bar.n)

        return runner.run(notebook, folder, profile, runs, progress)


def build(
    names: Names = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; list what is out of date.")
    ] = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Execute the solved notebooks too (cpu profile).")
    ] = False,
) -> None:
    """Build the notebooks from solutions/NN_name.py.

    Also README's table of notebooks and docs/EXERCISES.md.
    """
    course, sources = _course(names)
    import nbformat

    from gancourse.errors import CourseError
    from gancourse.notebooks import build as tool
    from gancourse.notebooks import handbook, lint

    if check and execute:
        raise typer.BadParameter("--check writes nothing: leave out --execute.")
    if check:
        found = lint.out_of_date(course, [source.stem for source in sources])
        page = course.root / handbook.PAGE
        if page.exists() and page.read_text("utf-8") != handbook.exercises_page(course):
            found.append(f"{handbook.PAGE}: differs from the registry; run gancourse build")
        print("\n".join(found) or f"{len(sources)} notebooks are up to date.")
        raise typer.Exit(1 if found else 0)
    found = [line for source in sources for line in lint.problems(course, source)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs:
        for source in sources:
            target = source.with_suffix(".ipynb")
            fresh = tool.solved(course, source)
            if execute:
                done = _execute(fresh, source.stem, source.parent, "cpu", Path(runs))
                try:
                    ready = None if done.error else tool.seal(done.notebook)
                    found += [f"solutions/{target.name}: {done.error}"] if done.error else []
                except CourseError as error:
                    ready = None
                    found.append(f"solutions/{target.name}: {error}")
            else:
                ready = tool.with_outputs(fresh, target)
                if ready is None:
                    how = f"gancourse build --execute {source.stem[:2]}"
                    print(f"solutions/{target.name}: to be executed; run {how}")
            pairs = [(target, ready)] if ready else []
            if not any(lint.blocks(tool.read(course, source).cells)):  # no answer would be shown
                student = tool.student(course, source)
                pairs.append((course.root / "notebooks" / target.name, student))
            for path, notebook in pairs:
                if tool.write(path, nbformat.writes(notebook)):
                    print(f"{path.relative_to(course.root)}: written")
    text = tool.readme(course)
    if text is not None and tool.write(course.root / "README.md", text):
        print("README.md: table of notebooks written")
    page = course.root / handbook.PAGE
    if page.exists() and tool.write(page, handbook.exercises_page(course)):
        print(f"{handbook.PAGE}: written")
    print("\n".join(found) or f"{len(sources)} notebooks follow the conventions.")
    raise typer.Exit(1 if found else 0)


def run(
    names: Names = None,
    profile: Annotated[Profile, typer.Option(help="Budget of training.")] = Profile.cpu,
    out: Annotated[Path, typer.Option(help="Folder for notebooks, report.json and runs/.")] = Path(
        "report"
    ),
    student: Annotated[
        bool, typer.Option("--student", help="Run the students' versions, unsolved.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Status 1 also if an expectation did not hold.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Store figures and executed notebooks in the course.")
    ] = False,
) -> None:
    """Run solved notebooks without a browser, and write a report.

    The executed notebooks, and report.json with all figures, go into --out. Status 1 if one failed.
    """
    course, sources = _course(names)
    import nbformat

    from gancourse.notebooks import build as tool
    from gancourse.notebooks import measured

    if record and student:
        raise typer.BadParameter("--record stores figures of solved notebooks: no --student.")
    out = out.resolve()
    if out == course.root.resolve():
        raise typer.BadParameter("--out must be another folder: this one contains your own runs/.")
    runs = out / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    version, folder = (tool.student, "notebooks") if student else (tool.solved, "solutions")
    report: dict = {"machine": "", "notebooks": {}}
    failed = False
    for source in sources:
        shutil.rmtree(runs / source.stem, ignore_errors=True)  # an old checkpoint skips the work
        done = _execute(
            version(course, source), source.stem, course.root / folder, profile.value, runs
        )
        nbformat.write(done.notebook, out / f"{source.stem}.ipynb")
        if record and not done.error:  # the solved notebook shows the run that was measured
            sealed = nbformat.writes(tool.seal(done.notebook))
            tool.write(source.with_suffix(".ipynb"), sealed)
        report["machine"] = done.facts.get("machine", report["machine"])
        report["notebooks"][source.stem] = done.record()
        tool.write(out / "report.json", json.dumps(report, indent=1))
        print(f"{source.stem}: {done.error or 'ok'}, {done.seconds:.1f} s", flush=True)
        print("".join(f"  did not hold: {name}\n" for name in done.missed), end="", flush=True)
        failed |= bool(done.error or (strict and done.missed))
    if record:
        print(measured.record(course.root, profile.value, report))
    raise typer.Exit(1 if failed else 0)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine: what works, and how to fix what doesn't."""
    from gancourse import doctor as tool
    from gancourse.grading.sandbox import isolation

    findings = [*tool.check_machine(), tool.grading(isolation.guarantees)]
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], indent=1))
    else:
        print("\n".join(map(str, findings)))
    raise typer.Exit(1 if any(finding.status == "wrong" for finding in findings) else 0)


def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Set; without it, all are listed.")
    ] = "",
) -> None:
    """Download a real data set into data/, verified; without a name, list the sets.

    An interrupted download resumes where it stopped. More about the sets is in data/README.md.
    """
    from gancourse.datasets import downloads

    if not name:
        for key, source in downloads.KNOWN.items():
            print(f"{key:<14} {source.title}: {source.content}")
            print(f"{'':<14} download: {source.megabytes}; licence: {source.licence}")
            print(f"{'':<14} read by {source.reader}")
        print("\nTo download one: gancourse fetch NAME")
    elif name in downloads.KNOWN:
        print(downloads.fetch(name))
    else:
        raise typer.BadParameter(f"unknown: {name!r}. Known: {', '.join(downloads.KNOWN)}.")
