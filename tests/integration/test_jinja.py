"""The executor `jinja`: alone, and in a repository whose scaffolding it makes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from repositories import Workshop, workshops

from specbuild import Failed, Job, Succeeded, Task
from specbuild_jinja import Jinja


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    with workshops(tmp_path) as made:
        yield made


class Desk:
    """A folder of inputs; `render` gives what the executor answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[str] = []

    def write(self, **files: str) -> None:
        for path, text in files.items():
            (self.folder / path.replace("__", ".")).write_text(text)

    def render(self, recipe: str, *targets: str, inputs: tuple[str, ...] = ()) -> Succeeded | Failed:
        task = Task(
            id="T1", title="Make it", recipe=recipe, targets=targets, inputs=inputs, requirements=("FR-1",)
        )
        return Jinja().run(Job(task=task, folder=str(self.folder), log=self.log.append))

    def refused(self, recipe: str, *targets: str, inputs: tuple[str, ...] = ()) -> str:
        result = self.render(recipe, *targets, inputs=inputs)
        assert isinstance(result, Failed), result
        assert result.permanent
        return result.message

    def text(self, path: str) -> str:
        return (self.folder / path).read_bytes().decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_template_sees_task_targets_and_the_data_of_its_inputs(desk: Desk) -> None:
    desk.write(
        t__jinja="{{ task.id }} {{ target }} {{ data.user.name }} {{ data.more.list | join('+') }}\n"
        "{% for path in inputs %}\n- {{ path }}\n{% endfor %}\n",
        user__json='{"name": "Ada <a>"}',
        more__toml="list = [1, 2]",
    )
    inputs = ("t.jinja", "user.json", "more.toml")
    assert isinstance(desk.render("t.jinja", "a.txt", "b.txt", inputs=inputs), Succeeded)
    assert desk.text("a.txt") == "T1 a.txt Ada <a> 1+2\n- t.jinja\n- user.json\n- more.toml\n"
    assert desk.text("b.txt").startswith("T1 b.txt")
    assert desk.log == ["→ a.txt from t.jinja\n", "→ b.txt from t.jinja\n"]


def test_each_target_may_have_a_template_of_its_own_that_includes_others(desk: Desk) -> None:
    desk.write(one__jinja="1 {% include 'tail' %}", two__jinja="2 {% include 'tail' %}", tail="end\r\n")
    desk.render("one.jinja ./two.jinja", "a", "b", inputs=("one.jinja", "two.jinja", "tail"))
    assert (desk.text("a"), desk.text("b")) == ("1 end\n", "2 end\n")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ nobody }}", "t:1: 'nobody' is undefined"),
        ("\n{% if %}", "t:2: Expected an expression"),
        ("{% include 'hidden' %}", "template hidden is no declared input"),
        ("{{ [1, 2] | random }}", "t:1: No filter named 'random'"),
        ("{{ lipsum() }}", "t:1: 'lipsum' is undefined"),
        ("{{ ''.__class__.__mro__ }}", "is unsafe"),
    ],
)
def test_what_is_undefined_undeclared_or_left_to_chance_is_an_error(
    desk: Desk, template: str, words: str
) -> None:
    desk.write(t=template, hidden="x")
    assert words in desk.refused("t", "a", inputs=("t",))


def test_recipes_and_inputs_that_cannot_be_are_told(desk: Desk) -> None:
    desk.write(t="x", user__json="{")
    assert desk.refused("t", "out") == (
        "template t is no declared input; add it to the task's inputs, and see that it is there"
    )
    assert "names 0 templates for 1 targets" in desk.refused("", "out", inputs=("t",))
    assert "names 2 templates for 1 targets" in desk.refused("t t", "out", inputs=("t",))
    assert "names no templates" in desk.refused("'t", "out", inputs=("t",))
    assert "no file to render" in desk.refused("t", inputs=("t",))
    assert "no file to render" in desk.refused("t", "folder/", inputs=("t",))
    assert "user.json cannot be understood" in desk.refused("t", "out", inputs=("t", "user.json"))
    desk.write(user__toml="", empty__json="1")
    assert "two inputs are data.user" in desk.refused("t", "out", inputs=("t", "user.toml", "user.json"))
    assert "gone.json cannot be read: no such file" in desk.refused("t", "out", inputs=("t", "gone.json"))


def test_scaffolding_is_made_again_when_its_template_or_data_changes(
    make: Callable[..., Workshop],
) -> None:
    config = (
        '[[rule]]\nmatch = "target:src/**"\nexecutor = "jinja"\nrun = "templates/model.jinja"\n'
        'inputs = ["templates/*", "schema/user.json"]\n'
    )
    shop = make(
        "- [ ] T001 Create the user model in src/user.py\n",
        config=config,
        **{
            "templates/model.jinja": "class {{ data.user.name }}: ...\n",
            "schema/user.json": '{"name": "User"}',
        },
    )
    assert shop.call("run").code == 0
    assert shop.text("src/user.py") == "class User: ...\n"
    assert shop.stale() == []
    shop.type("schema/user.json", '{"name": "Person"}')
    assert shop.reasons("T001") == ["input-changed"]
    shop.type("src/user.py", "by hand\n")
    assert shop.call("run").code == 0
    assert shop.text("src/user.py") == "class Person: ...\n"
    assert shop.call("plugins").out.count("jinja") == 1
