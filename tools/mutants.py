"""The mutants of a Python file, as mutmut makes them: each is one function with one expression of it damaged."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, create_mutations


@dataclass(frozen=True)
class Mutant:
    """One damage to one function."""

    module: str
    function: str
    line: int
    statement: range
    """The lines of the statement that is damaged; of a compound one, those of its head."""
    body: range
    """The lines of the function."""
    tree: cst.Module
    mutation: Mutation

    def code(self) -> CodeType:
        """Return the code of the damaged function."""
        damaged = self.tree.deep_replace(self.mutation.original_node, self.mutation.mutated_node).code
        return next(code for code in _codes(compile(damaged, self.module, "exec")) if code.co_qualname == self.function)

    def in_words(self) -> str:
        """Return where the damage is and what it does."""
        nodes = (self.mutation.original_node, self.mutation.mutated_node)
        before, after = (" ".join(self.tree.code_for_node(node).split()) for node in nodes)
        return f"{self.module}:{self.line} {self.function}: {before}  ->  {after}"


def mutants(file: Path, module: str) -> Iterator[Mutant]:
    """Yield the mutants of a file; code outside of functions is not damaged."""
    text = file.read_text(encoding="utf-8")
    tree, mutations, _, _ = create_mutations(str(file), text)
    positions = MetadataWrapper(tree, unsafe_skip_copy=True).resolve(PositionProvider)
    functions = list(_functions(ast.parse(text)))
    for mutation in mutations:
        line = positions[mutation.original_node].start.line
        for name, function in functions:
            if mutation.contained_by_top_level_function and line in _lines(function):
                yield Mutant(module, name, line, _statement(function, line), _lines(function), tree, mutation)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from (
                (f"{node.name}.{method.name}", method) for method in node.body if isinstance(method, ast.FunctionDef)
            )


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _statement(function: ast.FunctionDef, line: int) -> range:
    """Return the lines of the innermost statement around a line, without the statements inside it."""
    statements = [node for node in ast.walk(function) if isinstance(node, ast.stmt) and line in _lines(node)]
    innermost = max(statements, key=lambda node: node.lineno)
    body = getattr(innermost, "body", [])
    if innermost is function or not body:
        return _lines(innermost)
    return range(innermost.lineno, max(body[0].lineno, line + 1))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
