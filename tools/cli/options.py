# SPDX-License-Identifier: LGPL-2.1-or-later
"""The options of shim/options.def, and what the library takes for a value: the same rules as shim/config.c.

tests/script/env_values.sh compares both for many values. No imports: `vmonecopy run` uses this for every rank.
"""

PREFIX = "VMONECOPY"
# Not options of the library: of the tools.
OTHERS = ("VMONECOPY_BUILD",)
# What a WORD may be, behind a colon any text; for another word the library takes the default.
WORDS = {
    "VMONECOPY_XEN": ("real", "emulated"),
    "VMONECOPY_LOG": ("none", "error", "warn", "info", "debug"),
    "VMONECOPY_REPORT": ("none", "line", "full", "json:FILE"),
}
_SWITCH = {"0": 0, "off": 0, "no": 0, "false": 0, "1": 1, "on": 1, "yes": 1, "true": 1}
_WANTED = {"SWITCH": "0 or 1", "NUMBER": "a number", "BYTES": "bytes, with K, M or G"}
_SPACE = " \t\n\v\f\r"
_DIGITS = "0123456789"
_SHIFT = {"k": 10, "m": 20, "g": 30}
_LONG_MAX = (1 << 63) - 1


class Option:
    """One line of options.def."""

    def __init__(self, ident, env, kind, default, least, greatest, agree, doc):
        self.ident, self.env, self.kind, self.default, self.doc = ident, env, kind, default, doc
        self.least, self.greatest, self.agree = _number(least), _number(greatest), agree == "1"

    @property
    def flag(self):
        """--patience-us of VMONECOPY_PATIENCE_US; --enable of VMONECOPY."""
        name = self.env[len(PREFIX) + 1:] or self.ident
        return "--" + name.lower().replace("_", "-")

    @property
    def for_tests(self):
        """Not for users."""
        return "for tests only" in self.doc

    def value(self, text):
        """-> (what the library makes of it, None), or (the default's value, what is wrong with the text)."""
        if not text:
            text = self.default
        if self.kind == "WORD":
            words = WORDS.get(self.env)
            if words and not any(_is_word(text, word) for word in words):
                return self.default, f"is none of {', '.join(words)}"
            return text, None
        number, wrong = _parse(self.kind, text)
        if not wrong and self.kind != "SWITCH" and not self.least <= number <= self.greatest:
            wrong = f"is not from {self.least} to {self.greatest}"
        if wrong:
            return _parse(self.kind, self.default)[0], wrong
        return number, None


def _is_word(text, word):
    head, colon, _ = word.partition(":")
    return text.startswith(head + colon) and len(text) > len(head) + 1 if colon else text == word


def _number(expression):
    """'1L << 40' -> 2**40; options.def has nothing else."""
    first, _, shift = expression.replace("L", "").partition("<<")
    return int(first) << int(shift or 0)


def _strtol(text):
    """-> (number or None where there is none, the rest of the text)."""
    at = len(text) - len(text.lstrip(_SPACE))
    end = at + (text[at:at + 1] in ("+", "-"))
    digits = end
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return (int(text[at:end]), text[end:]) if end > digits else (None, text)


def _parse(kind, text):
    """-> (number, None) or (None, what is wrong)."""
    wrong = f"is not {_WANTED[kind]}"
    if kind == "SWITCH":
        value = _SWITCH.get(text.lower())
        return value, None if value is not None else wrong
    number, rest = _strtol(text)
    shift = _SHIFT.get(rest.lower(), 0) if kind == "BYTES" and len(rest) == 1 else 0
    if number is None or (rest and not shift):
        return None, wrong
    if kind == "BYTES" and number < 0:
        return None, "is less than nothing"
    if not -_LONG_MAX - 1 <= number <= _LONG_MAX >> shift:
        return None, "is too large"
    return number << shift, None


def _fields(line):
    """The arguments of X(...): by commas outside of quotes, quotes removed."""
    fields, field, quoted = [], "", False
    for char in line[2:line.rindex(")")]:
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            fields.append(field.strip())
            field = ""
        else:
            field += char
    return fields + [field.strip()]


def read(path):
    """All options, in the order of options.def."""
    with open(path, encoding="utf-8") as text:
        return [Option(*_fields(line)) for line in text if line.startswith("X(")]


def unknown(options, environ):
    """Names in the environment that look like ours and are nobody's, sorted."""
    known = {option.env for option in options}.union(OTHERS)
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def maybe(name, names):
    """' (maybe NAME?)' for the most similar of the names, or ''. What all of them begin with does not count."""
    import difflib
    cores = {each.upper().removeprefix(PREFIX).strip("_-"): each for each in names}
    close = difflib.get_close_matches(name.upper().removeprefix(PREFIX).strip("_-"), [core for core in cores if core], 1, 0.6)
    return f" (maybe {cores[close[0]]}?)" if close else ""


def rank(environ):
    """This process's rank by its launcher's variables, or 0. As shim/bind.c."""
    for name in ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK"):
        if environ.get(name, "").isdigit():
            return int(environ[name])
    return 0


def local_rank(environ):
    """The same within one machine, or the rank where the launcher does not tell."""
    for name in ("MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"):
        if environ.get(name, "").isdigit():
            return int(environ[name])
    return rank(environ)
