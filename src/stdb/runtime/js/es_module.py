"""An ES module as a function: what a bundle becomes before V8 runs it.

The library gives no access to V8's own modules. A module is a function of what it imports, though,
that returns what it exports::

    import * as sys from "spacetime:sys@2.0";      (async ($import, $exports) => { "use strict";
    const n = 1;                               ->      const sys = $import("spacetime:sys@2.0");
    export { n as one };                               $exports({ get "one"() { return n; } }); …

All that is added stands on the first line, before the module's own text, or behind its end, so
that line numbers stay. Imports are looked up first, as in a module; a getter for each export keeps
it live; `await` is allowed outside of functions.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from ...errors import DefinitionError
from .scanner import Token, line_of, tokens


class EsModule(NamedTuple):
    """A module as a function.

    Attributes
    ----------
    source : str
        JavaScript whose value is ``async ($import, $exports) => …``.
    imports : tuple of str
        The specifiers that it imports, each once.
    exports : tuple of str
        The names that it exports, in code-unit order as a module namespace has them.
    first_column : int
        How far the module's own first line stands to the right.
    """

    source: str
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    first_column: int


_STOCK_IMPORTS: Final = re.compile(
    r"""(?:import[ ](?:\*[ ]as[ ][\w$]+|\{[^{}"';]*\})[ ]from[ ]["'][^"'\n]+["'];\r?\n)+"""
)
_STOCK_EXPORT: Final = re.compile(r"\nexport \{([^{}\"';]*)\};\s*(//# sourceMappingURL=\S*\s*)?\Z")
_STATEMENT: Final = re.compile(r"^\s*(?:import|export)\b", re.MULTILINE)


def to_function(source: str) -> EsModule:
    """Return a module as a function.

    Raises
    ------
    DefinitionError
        It imports or exports in a way that no bundler writes, or is not JavaScript.
    """
    reader = _Reader(source)
    if not reader.read_stock():
        reader.read()
    return reader.result()


class _Reader:
    """Collects imports and exports and blanks them in the text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.body = source
        self.imports: list[tuple[str, str]] = []
        self.exports: dict[str, str] = {}

    # -- the layout that bundlers write: imports first, one export list last -----------------------

    def read_stock(self) -> bool:
        """Read a module that has the usual layout; whether it has."""
        source = self.source
        head = _STOCK_IMPORTS.match(source)
        tail = _STOCK_EXPORT.search(source)
        start = head.end() if head else 0
        end = tail.start() if tail else len(source)
        if head is None or _STATEMENT.search(source, start, end):
            return False
        for statement in head.group().splitlines():
            self._import([t for t in tokens(statement) if t.text != ";"][1:])
        if tail is not None:
            self._export_list(list(tokens("{" + tail[1] + "}")))
        self.body = "\n" * head.group().count("\n") + source[start:end]
        return True

    # -- any layout ------------------------------------------------------------------------------

    def read(self) -> None:
        """Read a module statement by statement."""
        depth, last = 0, None
        stream = list(tokens(self.source))
        pieces, copied = [], 0
        position = 0
        while position < len(stream):
            token = stream[position]
            begins = last is None or last.text in (";", "}") or self._is_new_line(last, token)
            if token.kind == "open":
                depth += 1
            elif token.kind == "close":
                depth -= 1
            elif depth == 0 and begins and token.text in ("import", "export"):
                end, kept = self._statement(stream, position)
                if end > position:
                    cut = stream[end - 1].end
                    pieces += [self.source[copied : token.start], kept]
                    pieces.append("\n" * self.source.count("\n", token.start, cut))
                    copied, position = cut, end
                    last = None
                    continue
            last = token
            position += 1
        pieces.append(self.source[copied:])
        self.body = "".join(pieces)

    def _is_new_line(self, last: Token, token: Token) -> bool:
        return "\n" in self.source[last.end : token.start]

    def _statement(self, stream: list[Token], position: int) -> tuple[int, str]:
        """Read the statement at `position`: where it ends, and what of it stays.

        The end is `position` itself where it is no such statement (``import(…)``).
        """
        following = [t.text for t in stream[position + 1 : position + 3]] + ["", ""]
        if stream[position].text == "import":
            if following[0] in ("(", "."):
                return position, ""
            end = self._end(stream, position)
            self._import([t for t in stream[position + 1 : end] if t.text != ";"])
            return end, ""
        if following[0] == "default":
            return self._export_default(stream, position)
        if following[0] in ("{", "*"):
            end = self._end(stream, position)
            inner = [t for t in stream[position + 1 : end] if t.text != ";"]
            self._export_list(inner)
            return end, ""
        return self._export_declaration(stream, position)

    def _end(self, stream: list[Token], position: int) -> int:
        """Return the token behind an import or an export list: it ends with a string or braces."""
        inside = False
        for here in range(position + 1, len(stream)):
            token = stream[here]
            following = stream[here + 1].text if here + 1 < len(stream) else ""
            if token.text in ("{", "}"):
                inside = token.text == "{"
            ends = token.kind == "string" or (token.text == "}" and following != "from")
            if ends and not inside:
                if following in ("with", "assert"):
                    self._refuse(token, "import attributes")
                return here + 2 if following == ";" else here + 1
        raise self._refusal(stream[position], "an unfinished statement")

    def _export_default(self, stream: list[Token], position: int) -> tuple[int, str]:
        start = position + 2
        words = [t.text for t in stream[start : start + 4]]
        if words and words[0] == "async" and "function" in words[1:2]:
            words = words[1:]
        named = words[1:] if words and words[0] in ("function", "class") else []
        if named and named[0] == "*":
            named = named[1:]
        if named and re.fullmatch(r"[\w$]+", named[0]) and named[0] != "extends":
            self.exports["default"] = named[0]
            return start, ""
        self.exports["default"] = "$default"
        return start, "const $default = "

    def _export_declaration(self, stream: list[Token], position: int) -> tuple[int, str]:
        """Read ``export const a = …, b = …``, ``export function f``, ``export class C``."""
        here = position + 1
        keyword = stream[here].text if here < len(stream) else ""
        if keyword == "async":
            here += 1
        if here + 1 >= len(stream) or stream[here].text not in (
            "const", "let", "var", "function", "class"
        ):  # fmt: skip
            raise self._refusal(stream[position], "an export of this form")
        is_variable = stream[here].text in ("const", "let", "var")
        here += 1
        if stream[here].text == "*":
            here += 1
        self._export_name(stream[here])
        if is_variable:
            self._export_more(stream, here + 1)
        return position + 1, ""

    def _export_more(self, stream: list[Token], position: int) -> None:
        """Read the further names of ``export const a = 1, b = 2``."""
        depth = 0
        for here in range(position, len(stream)):
            token = stream[here]
            if token.kind == "open":
                depth += 1
            elif token.kind == "close":
                depth -= 1
            elif depth == 0 and token.text == ";":
                return
            elif depth == 0 and token.text == ",":
                self._export_name(stream[here + 1])
            elif depth == 0 and self._is_new_line(stream[here - 1], token):
                ends = stream[here - 1].kind in ("name", "string", "close", "template", "regex")
                if ends and token.kind == "name":
                    return

    def _export_name(self, token: Token) -> None:
        if token.kind != "name":
            raise self._refusal(token, "an export that takes a value apart")
        self.exports[token.text] = token.text

    # -- what both have in common -----------------------------------------------------------------

    def _import(self, parts: list[Token]) -> None:
        """Read ``"x"``, ``d from "x"``, ``* as n from "x"``, ``{a as b} from "x"``."""
        module = json.dumps(_text(parts[-1]))
        words = [_text(t) if t.kind == "string" else t.text for t in parts[:-1]]
        here = 0
        if not words:
            self.imports.append((module, ""))
        while here < len(words) and words[here] != "from":
            if words[here] == "*":
                self.imports.append((module, f"{words[here + 2]} = $import({module})"))
                here += 3
            elif words[here] == "{":
                close = words.index("}", here)
                names = [(name, local) for name, local in _pairs(words[here + 1 : close])]
                shown = ", ".join(f"{json.dumps(name)}: {local}" for name, local in names)
                wanted = json.dumps([name for name, _ in names])
                self.imports.append((module, f"{{ {shown} }} = $import({module}, {wanted})"))
                here = close + 1
            elif words[here] == ",":
                here += 1
            else:
                wanted = '["default"]'
                text = f'{{ "default": {words[here]} }} = $import({module}, {wanted})'
                self.imports.append((module, text))
                here += 1

    def _export_list(self, parts: list[Token]) -> None:
        """Read ``{ a, b as c }``."""
        if parts[0].text == "*" or parts[-1].text != "}":
            raise self._refusal(parts[0], "an export from another module")
        words = [_text(t) if t.kind == "string" else t.text for t in parts]
        for local, name in _pairs(words[1:-1]):
            self.exports[name] = local

    def _refuse(self, token: Token, what: str) -> None:
        raise self._refusal(token, what)

    def _refusal(self, token: Token, what: str) -> DefinitionError:
        return DefinitionError(
            f"line {line_of(self.source, token.start)} of the bundle has {what}; bundle the module "
            "with rolldown or esbuild as one ES module, with only spacetime:sys@… left external"
        )

    def result(self) -> EsModule:
        declared = "; ".join(f"const {text}" for _, text in self.imports if text)
        looked_up = "; ".join(f"$import({module})" for module, text in self.imports if not text)
        names = sorted(self.exports, key=lambda name: name.encode("utf-16-be"))
        getters = ", ".join(
            f"get {json.dumps(name)}() {{ return {self.exports[name]}; }}" for name in names
        )
        before = (
            '(async ($import, $exports) => { "use strict"; '
            f"{looked_up}{'; ' if looked_up else ''}{declared}{'; ' if declared else ''}"
            f"$exports({{ __proto__: null, {getters} }}); "
        )
        specifiers = dict.fromkeys(json.loads(module) for module, _ in self.imports)
        source = f"{before}{self.body}\n}})\n//# sourceURL=spacetimedb_module"
        return EsModule(source, tuple(specifiers), tuple(names), len(before))


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    """Return ``a, b as c`` as ``[(a, a), (b, c)]``."""
    pairs, here = [], 0
    while here < len(words):
        if words[here] == ",":
            here += 1
        elif words[here + 1 : here + 2] == ["as"]:
            pairs.append((words[here], words[here + 2]))
            here += 3
        else:
            pairs.append((words[here], words[here]))
            here += 1
    return pairs


def _text(token: Token) -> str:
    return token.text[1:-1] if token.kind == "string" else token.text
