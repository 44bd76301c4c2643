"""`/openapi.json`, and `/docs`: it as one page, that needs nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import Request, Response
from starlette.routing import Route

from profilestore.domain.json_values import write_json

from .caching import JSON
from .problems import PROBLEMS

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886 }
h3 code { font-size: 1rem }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid #8883 }
pre { overflow: auto; padding: .7rem; background: #8881; border-radius: .3rem }
.method { text-transform: uppercase; font-weight: bold }
"""


def routes(document: dict[str, Any]) -> list[Route]:
    """Make the routes of a description: as a document, and as a page."""
    text, html = write_json(document), _page(document)

    async def openapi(_: Request) -> Response:
        return Response(text, media_type=JSON)

    async def page(_: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY}
        return Response(html, headers=headers, media_type="text/html")

    return [Route("/openapi.json", openapi), Route("/docs", page)]


def _page(document: dict[str, Any]) -> str:
    title = escape(document["info"]["title"])
    return "\n".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>",
            f"<p>{escape(document['info']['description'])}</p>",
            '<p>As a document: <a href="/openapi.json">OpenAPI 3.1</a>.</p>',
            *_operations("Routes", document["paths"]),
            *_operations("Webhooks", document["webhooks"]),
            *_problems(),
            *_schemas(document["components"]["schemas"]),
            "</html>",
        )
    )


def _operations(title: str, paths: dict[str, Any]) -> Iterator[str]:
    yield f"<h2>{title}</h2>"
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield (
                f'<h3><span class="method">{escape(method)}</span> '
                f"<code>{escape(path)}</code></h3>"
                f"<p>{escape(operation.get('summary', ''))}. "
                f"{escape(operation.get('description', ''))}</p>"
            )
            yield from _parameters(operation.get("parameters", []))
            yield from _examples(operation.get("requestBody", {}))
            yield from _responses(operation["responses"])


def _parameters(parameters: list[dict[str, Any]]) -> Iterator[str]:
    if not parameters:
        return
    yield "<table><tr><th>Parameter<th>In<th>Meaning<th>Type</tr>"
    for each in parameters:
        must = " (required)" if each.get("required") else ""
        yield (
            f"<tr><td><code>{escape(each['name'])}</code>{must}<td>{escape(each['in'])}"
            f"<td>{escape(each.get('description', ''))}"
            f"<td><code>{escape(_type(each['schema']))}</code></tr>"
        )
    yield "</table>"


def _type(schema: dict[str, Any]) -> str:
    if several := schema.get("anyOf"):
        return " or ".join(_type(each) for each in several if each != {"type": "null"})
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"several {_type(schema['items'])}"
    return str(schema.get("format") or schema.get("type", "any"))


def _examples(body: dict[str, Any]) -> Iterator[str]:
    for content in body.get("content", {}).values():
        for name, example in content.get("examples", {}).items():
            yield f"<details><summary>{escape(name)}</summary>"
            yield f"<pre>{_json(example['value'])}</pre></details>"


def _responses(responses: dict[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>Status<th>Meaning<th>Document</tr>"
    for status, response in sorted(responses.items()):
        schemas = [c.get("schema", {}) for c in response.get("content", {}).values()]
        names = [s["$ref"].rpartition("/")[2] for s in schemas if "$ref" in s]
        links = [f'<a href="#schema-{escape(n)}">{escape(n)}</a>' for n in names]
        yield (
            f"<tr><td>{escape(status)}<td>{escape(response['description'])}"
            f"<td>{', '.join(links)}</tr>"
        )
    yield "</table>"


def _problems() -> Iterator[str]:
    yield "<h2>Problems</h2><table><tr><th>Name<th>Status<th>Meaning<th>Again</tr>"
    for problem in PROBLEMS:
        again = "after Retry-After" if problem.retry else "not as it is"
        yield (
            f'<tr id="problem-{problem.name}"><td><code>{problem.name}</code>'
            f"<td>{problem.status}<td>{escape(problem.title)}<td>{again}</tr>"
        )
    yield "</table>"


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Documents</h2>"
    for name, schema in sorted(schemas.items()):
        yield f'<details id="schema-{escape(name)}"><summary>{escape(name)}</summary>'
        yield f"<pre>{_json(schema)}</pre></details>"


def _json(value: object) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))
