"""What the strict Content-Security-Policy allows is all that a template contains."""

from __future__ import annotations

import re

import pytest

from elson.bootstrap import ROOT

pytestmark = pytest.mark.house

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
COMMENTS = re.compile(r"{#.*?#}|{% comment .*?{% endcomment %}|<!--.*?-->", re.DOTALL)
TAGS = re.compile(r"<[a-zA-Z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
FAULTS = {
    "a style attribute": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "an on… handler": re.compile(r"\s(?:on[a-z]+|hx-on[:\w-]*)\s*=", re.IGNORECASE),
    "a javascript: address": re.compile(r"=\s*[\"']?\s*javascript:", re.IGNORECASE),
}
# Data blocks are not executed, so the policy lets them be.
SCRIPT = re.compile(r"<script\b((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>(.*?)</script>", re.DOTALL | re.I)
STYLE = re.compile(r"<style\b", re.IGNORECASE)
ELSEWHERE = re.compile(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//[^\"']+\.(?:js|mjs|css|woff2?)\b")


def faults_of(text: str) -> list[str]:
    """Say everything in a template that the browser would refuse or fetch from elsewhere."""
    text = COMMENTS.sub("", text)
    found = [
        f"{fault}: {tag[:80]}"
        for tag in TAGS.findall(text)
        for fault, pattern in FAULTS.items()
        if pattern.search(tag)
    ]
    for attributes, body in SCRIPT.findall(text):
        if body.strip() and "application/json" not in attributes:
            found.append(f"an inline script: {body.strip()[:60]}")
    if STYLE.search(text):
        found.append("a <style> element")
    if ELSEWHERE.search(text):
        found.append("a file from another site")
    return found


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_template_needs_nothing_inline(path):
    assert faults_of(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        '<p style="color:red">',
        "<button onclick='go()'>",
        '<a title="a > b" onmouseover="x()">',
        '<div hx-on:click="x()">',
        "<script>alert(1)</script>",
        '<script type="module">import "x"</script>',
        "<style>p{}</style>",
        '<script src="https://cdn.example.com/x.js"></script>',
        '<a href="javascript:void(0)">',
    ],
)
def test_a_fault_is_found(text):
    assert faults_of(text) != []


@pytest.mark.parametrize(
    "text",
    [
        '<script type="module" src="{% static \'js/a.js\' %}"></script>',
        '<script id="d" type="application/json">{"a": 1}</script>',
        "{# <p style='x'> #}<p class=\"one\">onclick= style=</p>",
        '<a href="https://www.tradingview.com/">chart</a>',
        '<input name="only_one" value="{{ style }}">',
    ],
)
def test_what_is_allowed_is_not_a_fault(text):
    assert faults_of(text) == []


SORTED = [
    path
    for path in TEMPLATES
    if "{% sort_th " in path.read_text(encoding="utf-8")
    and "lines=True" in path.read_text(encoding="utf-8")
    and path.parent.name != "staff"
]


@pytest.mark.parametrize("path", SORTED, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_sorted_by_its_heads_can_be_sorted_without_them(path):
    # A phone shows no heads of two-line rows.
    text = path.read_text(encoding="utf-8")
    heads = re.findall(r'{% sort_th "([^"]+)" "([^"]+)"', text)
    (chosen,) = re.findall(r"{% sort_select (.+?) %}", text)
    words = re.findall(r'"([^"]+)"', chosen)
    offered = dict(zip(words[::2], words[1::2], strict=True))

    assert offered.keys() == {key for _, key in heads}
    # Where a head names two figures, the choice names the one it sorts by.
    assert all(head.startswith(offered[key]) for head, key in heads)
