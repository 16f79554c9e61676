"""What the API reference shows besides what stands in the code, for mkdocstrings."""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Extension, GriffeLoader, Module, Object, Parameter, ParameterKind

ROLE = re.compile(r":(?:attr|class|func|meth|mod):`~?\.?([^`<]+?)(?: <[^>]+>)?`")


class WholeSignatures(Extension):
    """Show the parameters that a class takes for its bases, and references of reST as code."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **kwargs: Any) -> None:
        """Complete everything in the package, once its names can be resolved."""
        loader.resolve_aliases(implicit=False)
        self._complete(pkg)

    def _complete(self, item: Object) -> None:
        if item.docstring:
            item.docstring.value = ROLE.sub(r"`\1`", item.docstring.value)
        if isinstance(item, Class):
            self._take_over(item)
        for member in item.members.values():
            if not member.is_alias:
                self._complete(member)  # type: ignore[arg-type]

    def _take_over(self, item: Class) -> None:
        """Put in place of ``**kwargs`` what the bases of this package make of it."""
        constructor = item.members.get("__init__")
        if constructor is None or constructor.is_alias or "kwargs" not in constructor.parameters:
            return
        parameters = constructor.parameters
        rest = parameters["kwargs"]
        del parameters["kwargs"]
        for base in item.mro():
            found = base.members.get("__init__")
            if found is None or not base.canonical_path.startswith(item.package.path):
                continue
            for each in found.parameters:
                if each.kind is ParameterKind.keyword_only and each.name not in parameters:
                    parameters.add(
                        Parameter(each.name, annotation=each.annotation, kind=each.kind, default=each.default)
                    )
        parameters.add(rest)
