"""From a figure's SVG document to an element of the page."""

import html
import re

from markupsafe import Markup, escape

from few_weights.errors import StudyError


def inline_svg(svg: str, prefix: str) -> Markup:
    """An SVG document as an element of a page: without its preamble, and with ids that no other figure has.

    Args:
        svg: the document.
        prefix: what each id begins with afterwards: the figure's name and a hyphen.

    Raises:
        StudyError: it is not a complete SVG document.
    """
    start = svg.find("<svg")
    if start < 0 or not svg.rstrip().endswith("</svg>"):
        raise StudyError(
            f"figures/{prefix[:-1]}.svg is not a complete SVG document; delete it and start again, "
            "and it is drawn again"
        )
    title = svg_title(svg)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[start:], flags=re.DOTALL)
    # HTML knows SVG and its links without their namespaces.
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    # Matplotlib names an image by its content, so that equal images share an id; nothing refers to them.
    svg = re.sub(r'(<image\b[^>]*?)\sid="[^"]*"', r"\1", svg)
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{prefix}", svg)
    # The viewBox alone lets the page choose the size.
    opening = re.sub(r'\s(?:width|height)="[^"]*"', "", svg[: svg.index(">")])
    name = title or prefix
    label = f'{opening} role="img" aria-label="{escape(name)}"'
    return Markup(label + svg[svg.index(">") :])


def svg_title(svg: str) -> str:
    """The title of an SVG document as text; empty where it has none."""
    title = re.search(r"<title>(.*?)</title>", svg, re.DOTALL)
    return html.unescape(title[1]) if title else ""
