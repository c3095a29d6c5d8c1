"""Reads a file of `name = literal` statements, as group_data is: nothing in it is executed.

So reading settings can't do anything else. Pure: no I/O but reading the given file.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError, Problem, ProblemsError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> dict[str, object]:
    """Return the values by name. A file that isn't there sets nothing.

    Raises PostolkaError for what isn't Python, ProblemsError naming each other statement.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        module = ast.parse(path.read_text(), filename=str(path))
    except FileNotFoundError:
        return {}
    except (SyntaxError, UnicodeDecodeError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise PostolkaError(f"{where}{line}", f"not Python: {error}") from error
    data: dict[str, object] = {}
    problems: list[Problem] = []
    for statement in module.body:
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                continue  # a docstring
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                problems.append(Problem(f"line {statement.lineno}", "not `name = literal`"))
                continue
        try:
            data[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError):
            problems.append(Problem(f"line {statement.lineno}", f"{name} is not a literal"))
    if problems:
        raise ProblemsError(where, problems, hint="group_data holds `name = literal` only")
    return data
