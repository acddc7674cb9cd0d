import ast
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import get_kernel_dict

import gancourse
from gancourse.errors import CourseError
from gancourse.exercises.base import Exercise
from gancourse.notebooks import build, lint, measured

ROOT = Path(__file__).resolve().parents[2]
DOUBLE = Exercise("1.1", "Double", 2, 1, lambda x: 2 * x, lambda rng: [])
ENTRY = {"seconds": 61.4, "peak_mb": 1234, "profile": "cpu", "device": "cpu", "figures": {}}


@pytest.fixture
def course(small_course):
    found = build.Course.at(small_course)
    return replace(found, exercises=lambda number: [DOUBLE] if number == "90" else [])


@pytest.fixture
def source(course):
    return course.sources()[0]


@pytest.fixture
def built(course, source):
    """A course where everything is up to date; the outputs are made up."""
    build.write(
        course.root / "notebooks" / "90_small.ipynb",
        nbformat.writes(build.student(course, source)),
    )
    executed = build.solved(course, source)
    for n, cell in enumerate(c for c in executed.cells if c.cell_type == "code"):
        cell.execution_count = n + 1
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"output {n}\nand\n")]
    build.write(source.with_suffix(".ipynb"), nbformat.writes(build.seal(executed)))
    build.write(course.root / "README.md", build.readme(course))
    return course


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def sources(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells)


def test_solutions_are_out_and_stubs_in(course, source):
    text = sources(build.student(course, source))
    assert "2 * x\n" not in text.replace("`2 * x`", "") and "answer = 4" not in text
    assert "answer = ...\n\n\ndef double(x: float) -> float:" in text
    assert '    """Twice x."""\n    raise NotImplementedError("Exercise 1.1")' in text
    assert "Twice is what it says" not in text
    assert "SOLUTION" not in text


def test_a_test_cell_is_hidden_and_not_in_the_students_version(course, source):
    change(source, 'tags=["nbval-ignore-output"]', 'tags=["test", "nbval-ignore-output"]')
    assert "os.getpid" not in sources(build.student(course, source))
    (cell,) = [c for c in build.solved(course, source).cells if "os.getpid" in c.source]
    assert cell.metadata["jupyter"] == {"source_hidden": True}


def test_exercises_are_headings(course, source):
    for version in build.student, build.solved:
        assert "\n### Exercise 1.1: Double\n" in sources(version(course, source))


def test_the_solved_version_has_no_markers_and_no_placeholders(course, source):
    text = sources(build.solved(course, source))
    assert "answer = 4" in text and "return 2 * x" in text and "Twice is what it says" in text
    assert "..." not in text and "SOLUTION" not in text


def test_ids_are_equal_in_both_versions_and_stay_when_cells_move(course, source):
    before = [cell.id for cell in build.solved(course, source).cells]
    assert before[:2] == ["header", "setup"]
    assert {"exercise-1-1", "check-1-1"} < set(before)
    assert len(set(before)) == len(before)
    student = [cell.id for cell in build.student(course, source).cells]
    assert student == [id for id in before if id in student]
    change(source, "# %% [markdown]\n# **Exercise", "# %%\n1 + 1\n\n# %% [markdown]\n# **Exercise")
    after = [cell.id for cell in build.solved(course, source).cells]
    assert [id for id in after if id in before] == before


def test_links_come_from_the_one_address(course, source):
    header, setup, *_ = build.student(course, source).cells
    assert header.source.startswith("# 90 A small course\n\n[Open in Colab](https://colab.")
    tag = f"v{gancourse.__version__}"
    assert f"github/someone/some-course/blob/{tag}/notebooks/90_small.ipynb" in header.source
    assert "[solved, with outputs](../solutions/90_small.ipynb)" in header.source
    assert f'"gancourse @ git+https://github.com/someone/some-course@{tag}"' in setup.source
    assert "Measured" not in header.source


def test_opening_a_notebook_changes_nothing():
    """JupyterLab writes what the kernel says into it; make lab's kernel says what is there."""
    script = ROOT / "tools" / "lab" / "ipython_kernel_config.py"
    code = f"exec(open({str(script)!r}).read()); print(IPythonKernel.language_info)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(said.stdout) == build.METADATA["language_info"]
    kernel = get_kernel_dict()  # what JupyterLab writes from the kernel's specification
    spec = {"display_name": kernel["display_name"], "language": kernel["language"]}
    assert spec | {"name": "python3"} == build.METADATA["kernelspec"]


def test_measured_seconds_are_under_the_title(course, source):
    record = {"cpu": {"machine": "two cores", "notebooks": {"90_small": ENTRY}}}
    course = replace(course, measured=record)
    header = build.student(course, source).cells[0].source
    assert "61 s and 1.2 GB of memory (profile `cpu`, two cores)" in header
    assert "| a number that was doubled. | 12 | 61 s |" in build.table(
        replace(course, measured=record)
    )


@pytest.mark.parametrize("there", ["nothing", "a clone", "the package"])
def test_the_setup_cell_installs_where_the_package_is_missing(course, tmp_path, there):
    """Run as on Colab, with a pip that writes down what it is asked, and fails."""
    pip = "import sys, pathlib; pathlib.Path('asked').write_text(repr(sys.argv[1:])); sys.exit(1)"
    (tmp_path / "pip.py").write_text(pip)
    package = tmp_path / "gancourse"
    if there == "a clone":  # /content/gancourse, which has the package inside
        (package / "gancourse").mkdir(parents=True)
        (package / "gancourse" / "__init__.py").touch()
    elif there == "the package":
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "env.py").write_text("start = print")
    cell = build.setup(replace(course, version="1.2"))
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", cell],
        cwd=tmp_path,
        env=elsewhere,
        capture_output=True,
        text=True,
    )
    if there == "the package":
        assert done.stdout == "1.2\n" and not (tmp_path / "asked").exists()
        return
    assert "On your own machine: make lab" in done.stderr
    asked = ast.literal_eval((tmp_path / "asked").read_text())
    assert asked == ["install", "-q", "gancourse @ git+https://github.com/someone/some-course@v1.2"]


@pytest.mark.parametrize(
    "old, new, kept",
    [
        ("return 2 * x", "return 2 * x  # twice", True),
        ("return 2 * x", "return x * env.budget(smoke=2, cpu=2, gpu=5)", True),
        ("return 2 * x", "return x * env.budget(smoke=2, cpu=3, gpu=4)", False),
        ("return 2 * x", "return x + x", False),
    ],
)
def test_a_solved_notebook_keeps_outputs_that_a_change_does_not_touch(
    course, source, old, new, kept
):
    change(source, old, "return x * env.budget(smoke=2, cpu=2, gpu=4)" if "budget" in new else old)
    path = course.root / "solutions" / "90_small.ipynb"
    path.write_text(nbformat.writes(build.seal(build.solved(course, source))))
    later = replace(course, version="9.9")  # in the setup cell
    assert build.with_outputs(build.solved(later, source), path) is not None
    change(source, "return x * env.budget(smoke=2, cpu=2, gpu=4)" if "budget" in new else old, new)
    assert (build.with_outputs(build.solved(later, source), path) is not None) == kept


def test_a_course_in_step_has_no_findings(built):
    assert lint.out_of_date(built) == []


def test_building_twice_changes_nothing(built, source):
    path = built.root / "notebooks" / "90_small.ipynb"
    assert not build.write(path, nbformat.writes(build.student(built, source)))


@pytest.mark.parametrize(
    "file, old, new, finding",
    [
        ("notebooks/90_small.ipynb", "Twice x.", "Thrice x.", "differs from its source"),
        ("solutions/90_small.ipynb", "output 3", "output 4", "changed by hand"),
        ("solutions/90_small.ipynb", "return 2 * x", "return x + x", "changed by hand"),
        ("solutions/90_small.py", "return 2 * x", "return x + x", "executed from older code"),
        ("solutions/90_small.py", "Twice is what", "That is what", "run gancourse build"),
        ("README.md", "| 12 |", "| 13 |", "out of date"),
        ("README.md", "<!-- notebooks:begin -->", "", "no place for the table"),
    ],
)
def test_whatever_is_out_of_date_is_named(built, file, old, new, finding):
    change(built.root / file, old, new)
    found = lint.out_of_date(built)
    assert any(finding in line for line in found), found


def test_missing_and_orphaned_notebooks_are_named(built):
    for folder, name in (("notebooks", "07_old"), ("notebooks", "90_small")):
        path = built.root / folder / f"{name}.ipynb"
        path.unlink() if path.exists() else path.write_text("{}")
    built.sources()[0].with_suffix(".ipynb").unlink()
    text = "\n".join(lint.out_of_date(built))
    assert "07_old.ipynb: has no source" in text
    assert "notebooks/90_small.ipynb: differs" in text
    assert "solutions/90_small.ipynb: missing" in text


def test_text_can_change_without_executing_again(built, source):
    change(source, "Twice is what it says", "That is what it says")
    fresh = build.with_outputs(build.solved(built, source), source.with_suffix(".ipynb"))
    assert "That is what" in sources(fresh) and build.is_sealed(fresh)
    assert fresh.cells[1].outputs[0].text == "output 0\nand\n"


@pytest.mark.parametrize(
    "old, new, finding",
    [
        ("**You build:**", "You build:", "You build"),
        ("| Doubling | 7 |", "| Doubling |", ""),  # the other row still has minutes
        ("| Minutes |", "| |", ""),
        ('tags=["setup"]', "", "the second setup"),
        ("    # END SOLUTION", "", "don't alternate"),
        ('# %% tags=["exercise"]', "# %%", "only they, hold"),
        ("return 2 * x", "return 2 x", "is not Python"),
        ("\nassert ", "\n", "it should assert, expect or report"),
        ("# Twice.", "# ![](picture.png)", "alternative text"),
        ('double = check("1.1", double)', "", "has 0 checks"),
        ("**Exercise 1.1** ·", "**Exercise 1.2** ·", "exercise 1.2 has a card"),
        ('check("1.1", double)', 'check("1.3", double)', "exercise 1.3 has a check"),
        ("Hint 3", "Tip", "has hints"),
        (" · importance ●●●○○", "", "does not have the usual form"),
        ("· 1 minute ·", "· 2 minutes ·", "minutes is 1"),
        ("· 2 points", "· 3 points", "points is 2"),
        ("*Double*", "*Twice*", "title is Double"),
    ],
)
def test_departures_from_the_conventions_are_named(course, source, old, new, finding):
    assert lint.problems(course, source) == []
    change(source, old, new)
    found = lint.problems(course, source)
    assert any(finding in line for line in found) if finding else found == []


def test_an_exercise_of_the_registry_must_be_in_the_notebook(course, source):
    more = replace(course, exercises=lambda number: [DOUBLE, replace(DOUBLE, id="1.2")])
    found = lint.problems(more, source)
    assert [line.split(" of the registry ")[1] for line in found] == [
        f"has 0 {what}s, not 1" for what in ("stub", "check", "card")
    ]


def test_outputs_with_the_path_of_a_machine_are_refused(course, source):
    notebook = build.solved(course, source)
    text = "saved to /home/someone/course/runs"
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text=text)]
    with pytest.raises(CourseError, match="path of a machine"):
        build.seal(notebook)


def test_widgets_leave_nothing_in_the_saved_notebook(course, source):
    notebook = build.solved(course, source)
    data = {build.WIDGET: {"model_id": "5"}, "text/plain": "HBox()"}
    notebook.cells[1].outputs = [
        nbformat.v4.new_output("display_data", data=data),
        nbformat.v4.new_output("display_data", data={"text/plain": "kept"}),
    ]
    notebook.metadata["widgets"] = {"state": {}}
    kept = build.seal(notebook)
    assert [o.data for o in kept.cells[1].outputs] == [{"text/plain": "kept"}]
    assert set(kept.metadata) == {*build.METADATA, "gancourse"}


def test_notebooks_are_chosen_by_number_or_name(course):
    for name in ("90", "90_small"):
        assert [path.stem for path in course.sources([name])] == ["90_small"]
    with pytest.raises(CourseError, match="no notebook 09"):
        course.sources(["90", "9"])


def test_a_folder_without_a_course_is_refused(tmp_path):
    with pytest.raises(CourseError, match="not the course's folder"):
        build.Course.at(tmp_path)


def test_records_of_one_profile_come_from_one_machine(tmp_path):
    def kept() -> dict:
        return json.loads((tmp_path / "benchmarks" / "measured.json").read_text())["cpu"]

    measured.record(tmp_path, "cpu", {"machine": "A", "notebooks": {"02_b": ENTRY}})
    measured.record(tmp_path, "cpu", {"machine": "A", "notebooks": {"01_a": ENTRY}})
    assert list(kept()["notebooks"]) == ["01_a", "02_b"]
    assert kept()["command"] == "gancourse run 01 02 --profile cpu"
    said = measured.record(tmp_path, "cpu", {"machine": "B", "notebooks": {"01_a": ENTRY}})
    assert "dropped" in said and "02_b" in said and list(kept()["notebooks"]) == ["01_a"]


@pytest.mark.parametrize("profile, more", [("smoke", {}), ("gpu", {}), ("cpu", {"error": "x"})])
def test_what_would_mislead_is_not_recorded(tmp_path, profile, more):
    report = {"machine": "A", "notebooks": {"01_a": {**ENTRY, **more}}}
    with pytest.raises(CourseError, match="Nothing was recorded"):
        measured.record(tmp_path, profile, report)
    assert not (tmp_path / "benchmarks").exists()


def test_the_course_itself_is_up_to_date():
    """What `gancourse build --check` says of the real notebooks."""
    course = build.Course.at(Path(__file__).resolve().parents[2])
    assert lint.out_of_date(course) == []
